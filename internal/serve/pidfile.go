package serve

import (
	"fmt"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// writePidFile notes this process in a file, unless a living one is noted there.
func writePidFile(path string) error {
	if path == "" {
		return nil
	}
	if b, err := os.ReadFile(path); err == nil {
		pid, err := strconv.Atoi(strings.TrimSpace(string(b)))
		if err == nil && pid != os.Getpid() && pid > 0 && unix.Kill(pid, 0) == nil {
			return fmt.Errorf("pidfile %s: the server with pid %d already runs", path, pid)
		}
	}
	if err := os.WriteFile(path, fmt.Appendf(nil, "%d\n", os.Getpid()), 0o644); err != nil {
		return fmt.Errorf("pidfile: %w", err)
	}
	return nil
}

func removePidFile(path string) {
	if b, err := os.ReadFile(path); err == nil && strings.TrimSpace(string(b)) == strconv.Itoa(os.Getpid()) {
		if os.Remove(path) != nil {
			_ = os.Truncate(path, 0) // its directory may be root's, the file is not
		}
	}
}
