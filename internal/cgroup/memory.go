package cgroup

import (
	"io/fs"
	"strconv"
	"strings"
)

// MemoryLeft is how many bytes more the group's processes may take before one of
// the groups or the machine has none left; what the kernel caches of files counts as
// free. It is not ok where nothing is known.
func (g Group) MemoryLeft() (bytes int64, ok bool) {
	bytes, ok = g.machineLeft()
	for _, f := range g.folders("memory") {
		if left, limited := g.groupLeft(f); limited && (!ok || left < bytes) {
			bytes, ok = left, true
		}
	}
	return max(bytes, 0), ok
}

// machineLeft is MemAvailable of /proc/meminfo, see proc(5).
func (g Group) machineLeft() (bytes int64, ok bool) {
	b, err := fs.ReadFile(g.root, "proc/meminfo")
	if err != nil {
		return 0, false
	}
	kib, ok := counter(string(b), "MemAvailable:")
	return kib << 10, ok
}

func (g Group) groupLeft(f folder) (bytes int64, ok bool) {
	most, used, cached := "memory.max", "memory.current", "inactive_file"
	if f.version == 1 {
		most, used, cached = "memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"
	}
	limit, err := strconv.ParseInt(g.text(f, most), 10, 64)
	if err != nil {
		return 0, false // "max", or no such file
	}
	taken, err := strconv.ParseInt(g.text(f, used), 10, 64)
	if err != nil {
		return 0, false
	}
	files, _ := counter(g.text(f, "memory.stat"), cached)
	return limit - taken + files, true
}

// counter finds a number by the word before it, in lines of both.
func counter(text, name string) (n int64, ok bool) {
	for line := range strings.Lines(text) {
		if fields := strings.Fields(line); len(fields) >= 2 && fields[0] == name {
			n, err := strconv.ParseInt(fields[1], 10, 64)
			return n, err == nil
		}
	}
	return 0, false
}
