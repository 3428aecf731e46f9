package front

import (
	"os"
	"sync"

	"golang.org/x/sys/unix"
)

// spoolLimit is what all spool files may take together: half of what is free
// and of what they hold already.
func (s *Server) spoolLimit() int64 {
	var st unix.Statfs_t
	if err := unix.Statfs(spoolDir(s.cfg.SpoolDir), &st); err != nil {
		return 1 << 62
	}
	return (int64(st.Bavail)*int64(st.Bsize) + s.spooled.Load()) / 2
}

func spoolDir(dir string) string {
	if dir == "" {
		return os.TempDir()
	}
	return dir
}

// warned keeps what is logged once from being logged again. It forgets when it
// holds too much.
type warned struct {
	mu   sync.Mutex
	said map[string]bool // guarded by mu
}

const warnedMost = 1000

func (w *warned) once(s *Server, key, text string) {
	w.mu.Lock()
	seen := w.said[key]
	if w.said == nil || len(w.said) > warnedMost {
		w.said = map[string]bool{}
	}
	w.said[key] = true
	w.mu.Unlock()
	if !seen {
		s.cfg.Log.Warningf("%s", text)
	}
}

func unlinkedFile(dir string) (*os.File, error) {
	f, err := os.CreateTemp(dir, "girin-spool-")
	if err != nil {
		return nil, err
	}
	return f, os.Remove(f.Name())
}
