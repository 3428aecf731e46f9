package serve

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// notePID notes this process in the pidfile; beside the server that has started it, by USR2,
// in one of its own.
func (s *server) notePID() error {
	path := s.cfg.PidFile
	if path == "" {
		return nil
	}
	if s.predecessor.here() {
		path += ".2"
	}
	if err := writePidFile(path); err != nil {
		return err
	}
	s.pidFile.Store(&path)
	return nil
}

// promotePID gives the pidfile its name, once the server before has left that.
func (s *server) promotePID() error {
	path := s.cfg.PidFile
	if path == "" {
		return nil
	}
	if err := os.Rename(path+".2", path); err != nil {
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

func removePidFile(path string) {
	if b, err := os.ReadFile(path); err == nil && strings.TrimSpace(string(b)) == strconv.Itoa(os.Getpid()) {
		if os.Remove(path) != nil {
			_ = os.Truncate(path, 0) // its directory may be root's, the file is not
		}
	}
}
