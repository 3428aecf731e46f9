package config

import (
	"fmt"

	"girin/internal/cgroup"
)

// AutoThreads is how many threads a worker of the class auto has at most, if nobody says.
const AutoThreads = 128

// AutoWorkers are how many workers a server of the class auto begins with on so many cores, and
// how many it has at most. One more than there are cores stands by for when requests compute.
func (c *Config) AutoWorkers(cores int) (first, most int) {
	most = c.Workers
	if most == 0 {
		most = 2*cores + 1
	}
	return min(cores+1, most), most
}

// shownAuto is a number of the class auto as it takes effect on this machine.
func (c *Config) shownAuto(key string) any {
	if key == "threads" {
		if c.Threads != 0 {
			return c.Threads
		}
		return AutoThreads
	}
	first, most := c.AutoWorkers(cgroup.Own().Cores())
	if first == most {
		return most
	}
	return fmt.Sprintf("%d to %d", first, most)
}
