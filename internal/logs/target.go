package logs

import "os"

// Target is where a log goes.
type Target struct {
	Path     string // "-" is the standard stream of the log
	UID, GID int    // owner of the file, so that a server that gave up its rights can reopen it
}

func (t Target) standard() bool { return t.Path == "-" }

func (t Target) String() string {
	if t.standard() {
		return "on the standard stream"
	}
	return t.Path
}

func (t Target) open() (*os.File, error) {
	f, err := openFile(t.Path)
	if err != nil {
		return nil, err
	}
	if t.UID != os.Geteuid() || t.GID != os.Getegid() {
		// Best effort as in gunicorn: the path may be /dev/null or another's file.
		_ = f.Chown(t.UID, t.GID)
	}
	return f, nil
}
