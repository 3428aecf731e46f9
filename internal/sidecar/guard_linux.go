package sidecar

import (
	"bytes"
	"os"
	"path/filepath"
	"strconv"
	"syscall"

	"girin/internal/proc"
)

// adopt makes this process the parent of the command's descendants that lose theirs.
func adopt() error { return proc.AdoptOrphans() }

// attributes put the command in a group of its own, and end it with its guard.
func attributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}

// killFamily kills all descendants of this process. What one of them starts
// meanwhile is adopted, and found the next time.
func killFamily(int) {
	children := map[int][]int{}
	stats, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, path := range stats {
		b, err := os.ReadFile(path)
		if err != nil {
			continue // it has ended
		}
		fields := bytes.Fields(b[bytes.LastIndexByte(b, ')')+1:]) // the name before may hold anything
		pid, _ := strconv.Atoi(filepath.Base(filepath.Dir(path)))
		if parent, err := strconv.Atoi(string(fields[1])); err == nil {
			children[parent] = append(children[parent], pid)
		}
	}
	for family := children[os.Getpid()]; len(family) > 0; family = family[1:] {
		_ = syscall.Kill(family[0], syscall.SIGKILL)
		family = append(family, children[family[0]]...)
	}
}
