package serve

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// notePID notes this process in the pidfile.
func (s *server) notePID() error { return s.movePID(s.cfg.PidFile) }

// movePID notes this process in that pidfile, and no longer in the one before: a reload may
// name another. Beside the server that has started it, by USR2, a server has one of its own.
func (s *server) movePID(path string) error {
	if path != "" && s.predecessor.here() {
		path += beside
	}
	before := s.pidFile.Load()
	if before != nil && *before == path {
		return nil
	}
	var now *string
	if path != "" {
		if err := writePidFile(path); err != nil {
			return err
		}
		now = &path
	}
	s.pidFile.Store(now)
	if before != nil {
		removePidFile(*before)
	}
	return nil
}

// beside ends the name of the pidfile of a server that has another one beside it.
const beside = ".2"

// promotePID gives the pidfile its name, once the server before has left that.
func (s *server) promotePID() error {
	own := s.pidFile.Load()
	if own == nil {
		return nil
	}
	path := strings.TrimSuffix(*own, beside)
	if err := os.Rename(*own, path); err != nil {
		return fmt.Errorf("pidfile: %w", err)
	}
	s.pidFile.Store(&path)
	return nil
}

// writePidFile notes this process in a file, unless a living one is noted there.
func writePidFile(path string) error {
	if b, err := os.ReadFile(path); err == nil {
		pid, err := strconv.Atoi(strings.TrimSpace(string(b)))
		if err == nil && pid != os.Getpid() && pid > 0 && lives(pid) {
			return fmt.Errorf("pidfile %s: the server with pid %d already runs", path, pid)
		}
	}
	if err := os.WriteFile(path, fmt.Appendf(nil, "%d\n", os.Getpid()), 0o644); err != nil {
		return fmt.Errorf("pidfile: %w", err)
	}
	return nil
}

// lives reports whether there is such a process, be it another user's.
func lives(pid int) bool {
	err := unix.Kill(pid, 0)
	return err == nil || errors.Is(err, unix.EPERM)
}

func removePidFile(path string) { removePidFileOf(path, os.Getpid()) }

// removePidFileOf removes a pidfile that notes that process.
func removePidFileOf(path string, pid int) {
	if b, err := os.ReadFile(path); err == nil && strings.TrimSpace(string(b)) == strconv.Itoa(pid) {
		if os.Remove(path) != nil {
			_ = os.Truncate(path, 0) // its directory may be root's, the file is not
		}
	}
}
