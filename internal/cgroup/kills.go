package cgroup

// Kills tells whether the kernel has ended a process for want of memory.
type Kills struct {
	group Group
	seen  int64 // the count when it was last looked at
}

// Kills counts from now on.
func (g Group) Kills() *Kills {
	k := &Kills{group: g}
	k.seen, _ = g.kills()
	return k
}

// Came reports whether a process of the group was ended since it was last asked;
// known is false where the system does not tell.
func (k *Kills) Came() (came, known bool) {
	n, known := k.group.kills()
	came = known && n > k.seen
	k.seen = n
	return came, known
}

// kills is oom_kill of version 2's memory.events or of version 1's
// memory.oom_control. It counts those of the group's own limit, of one above it
// and of the machine.
func (g Group) kills() (n int64, known bool) {
	for _, f := range g.folders("memory") {
		name := "memory.events"
		if f.version == 1 {
			name = "memory.oom_control"
		}
		if n, known = counter(g.text(f, name), "oom_kill"); known {
			return n, true
		}
	}
	return 0, false
}
