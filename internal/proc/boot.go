package proc

import "time"

// Boot is how long a process may take to be ready. Whoever still computes when Limit is over is
// waited for: a machine on which much starts at once gives each little, and a large import takes
// what it takes. Who waits, for a database or a lock, is given up.
type Boot struct {
	Process *Process
	Limit   time.Duration
	Ready   <-chan struct{} // closed when it is, or has ended
	Late    func()          // called once when Limit is over and it computes
	GiveUp  func()          // called once, as the last
}

const (
	bootLooks = 6   // how often the process is looked at within Limit
	bootLeast = 100 // a process computes that has had this part of a core between two looks, or waits for one
)

// Watch returns when the process is ready or was given up.
func (b Boot) Watch() {
	pause := b.Limit / bootLooks
	look := time.NewTimer(pause) // anew after each look: what comes late makes no pause shorter
	defer look.Stop()
	used, late := b.Process.CPU(), false
	for looks := 1; ; looks++ {
		select {
		case <-b.Ready:
			return
		case <-look.C:
		}
		before := used
		used = b.Process.CPU()
		switch {
		case looks < bootLooks:
		case used-before < pause/bootLeast && !b.Process.In("RD"):
			b.GiveUp()
			return
		case !late:
			late = true
			b.Late()
		}
		look.Reset(pause)
	}
}
