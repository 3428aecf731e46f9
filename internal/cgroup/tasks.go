package cgroup

import "strconv"

// TasksLeft is how many threads and processes more the control groups allow; not ok: any number.
func (g Group) TasksLeft() (n int64, ok bool) {
	for _, f := range g.folders("pids") {
		most, err := strconv.ParseInt(g.text(f, "pids.max"), 10, 64)
		if err != nil {
			continue // "max", or no such file
		}
		there, err := strconv.ParseInt(g.text(f, "pids.current"), 10, 64)
		if left := max(most-there, 0); err == nil && (!ok || left < n) {
			n, ok = left, true
		}
	}
	return n, ok
}
