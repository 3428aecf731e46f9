package e2e_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// ownNamespace makes a process the first of a PID namespace, as in a container.
func ownNamespace() *syscall.SysProcAttr {
	attr := &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWPID}
	if os.Geteuid() != 0 {
		attr.Cloneflags |= syscall.CLONE_NEWUSER
		attr.UidMappings = []syscall.SysProcIDMap{{ContainerID: os.Getuid(), HostID: os.Getuid(), Size: 1}}
		attr.GidMappings = []syscall.SysProcIDMap{{ContainerID: os.Getgid(), HostID: os.Getgid(), Size: 1}}
	}
	return attr
}

// children returns the processes whose parent is pid, and those of them that
// have ended and that nobody has waited for.
func children(t *testing.T, pid int) (all, zombies []int) {
	t.Helper()
	stats, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range stats {
		b, err := os.ReadFile(path)
		if err != nil {
			continue // it has ended
		}
		_, after, _ := bytes.Cut(b, []byte(") "))
		fields := strings.Fields(string(after))
		if len(fields) < 2 || fields[1] != strconv.Itoa(pid) {
			continue
		}
		child, _ := strconv.Atoi(filepath.Base(filepath.Dir(path)))
		all = append(all, child)
		if fields[0] == "Z" {
			zombies = append(zombies, child)
		}
	}
	return all, zombies
}

// eventually looks until something is so.
func eventually(t *testing.T, what string, so func() bool) {
	t.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for late := time.After(limit); !so(); {
		select {
		case <-tick.C:
		case <-late:
			t.Fatalf("it did not come true that %s", what)
		}
	}
}

func TestProcessOneReapsOrphansAndKnowsItsWorkers(t *testing.T) {
	s := start(t, options{attr: ownNamespace()})
	if got := value(t, s.get(t, "/identity"), "ppid"); got != "1" {
		t.Fatalf("the worker's parent is %s in its namespace", got)
	}
	const orphans = 20
	for range orphans {
		s.get(t, "/orphan?0.05")
	}
	workers, _ := children(t, s.cmd.Process.Pid)
	eventually(t, "only the worker is left", func() bool {
		all, zombies := children(t, s.cmd.Process.Pid)
		workers = all
		return len(all) == 1 && len(zombies) == 0
	})

	// A worker's end is the supervisor's to know, with its cause, while
	// orphans end as well.
	for i := range 3 {
		for range 5 {
			s.get(t, "/orphan?0.01")
		}
		n := len(strings.Split(s.log(), "\n"))
		all, _ := children(t, s.cmd.Process.Pid)
		worker := all[slices.IndexFunc(all, func(pid int) bool { return strings.Contains(command(pid), "python") })]
		if i == 0 {
			worker = workers[0]
		}
		if err := syscall.Kill(worker, syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		s.waitAfter(t, "was ended by signal 9", n)
		s.waitAfter(t, "Booting worker", n)
		s.get(t, "/")
	}
	if err := s.end(t, syscall.SIGTERM); err != nil {
		t.Errorf("girin ended with %v", err)
	}
}

func command(pid int) string {
	b, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
	return string(bytes.ReplaceAll(b, []byte{0}, []byte(" ")))
}
