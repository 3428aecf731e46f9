package supervisor

import (
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// memoryGroup tells how often the kernel has ended a process of the server's
// memory cgroup for want of memory (cgroups(7); the count is in version 2's
// memory.events and in version 1's memory.oom_control, and covers the limit of
// the group and of the machine).
type memoryGroup struct {
	proc, mount string // /proc/self/cgroup, /sys/fs/cgroup
	seen        int64  // the count when it was last looked at
}

func newMemoryGroup() *memoryGroup {
	g := &memoryGroup{proc: "/proc/self/cgroup", mount: "/sys/fs/cgroup"}
	g.seen, _ = g.kills()
	return g
}

// killed reports whether the kernel has ended a process since it was last
// asked; known is false where the system does not tell.
func (g *memoryGroup) killed() (killed, known bool) {
	n, known := g.kills()
	killed = known && n > g.seen
	g.seen = n
	return killed, known
}

func (g *memoryGroup) kills() (n int64, known bool) {
	for _, path := range g.files() {
		b, err := os.ReadFile(path)
		if err != nil {
			continue
		}
		for line := range strings.Lines(string(b)) {
			if key, value, _ := strings.Cut(strings.TrimSpace(line), " "); key == "oom_kill" {
				n, err := strconv.ParseInt(value, 10, 64)
				return n, err == nil
			}
		}
	}
	return 0, false
}

// files are where the count may be. In a container the path that the kernel
// tells may be that of the host, and the group's own files lie at the mount.
func (g *memoryGroup) files() (files []string) {
	b, err := os.ReadFile(g.proc)
	if err != nil {
		return nil
	}
	for line := range strings.Lines(string(b)) {
		fields := strings.SplitN(strings.TrimSpace(line), ":", 3)
		if len(fields) < 3 {
			continue
		}
		mount, name := g.mount, "memory.events"
		if fields[0] != "0" {
			if !slices.Contains(strings.Split(fields[1], ","), "memory") {
				continue
			}
			mount, name = filepath.Join(g.mount, "memory"), "memory.oom_control"
		}
		files = append(files, filepath.Join(mount, fields[2], name), filepath.Join(mount, name))
	}
	return files
}
