// Package neighbours tells what other programs take of the machine's cores while something is measured. Linux tells.
package neighbours

import (
	"os"
	"runtime"
	"strconv"
	"strings"
	"time"
)

// Neighbours counts from a moment on.
type Neighbours struct {
	began     time.Time
	all, ours time.Duration // CPU time by then
	known     bool
}

// Watch begins.
func Watch() Neighbours {
	all, _, known := machineCPU(stat())
	return Neighbours{began: time.Now(), all: all, ours: ourCPU(), known: known}
}

// Cores is how many cores, on average, were taken by what is neither this program nor a child of it; that of children that
// still run is given. 0 where the system does not tell.
func (n Neighbours) Cores(running time.Duration) float64 {
	all, _, known := machineCPU(stat())
	took := time.Since(n.began)
	if !known || !n.known || took < tick {
		return 0
	}
	return max(0, (all-n.all-(ourCPU()-n.ours)-running).Seconds()/took.Seconds())
}

// Usable is how many cores this program may use, by its affinity and its container's share, before it takes fewer itself.
var Usable = runtime.GOMAXPROCS(0)

// Crowd reports whether so many cores of others leave too few for what is measured on so many.
func Crowd(others float64, usable int) bool {
	_, cores, known := machineCPU(stat())
	if !known {
		cores = usable
	}
	return crowds(others, usable, cores)
}

func crowds(others float64, usable, cores int) bool {
	return others >= float64(cores-usable)+crowded*float64(usable)
}

const (
	crowded = 0.15                  // the share of the usable cores from which on others are in the way
	tick    = 10 * time.Millisecond // what the system counts CPU time in
)

func stat() string {
	text, _ := os.ReadFile("/proc/stat")
	return string(text)
}

// machineCPU is the CPU time of all programs, from the first line of /proc/stat: user, nice, system, idle, iowait, irq, softirq,
// and what a hypervisor has given to others. The lines that follow are each of a core.
func machineCPU(stat string) (busy time.Duration, cores int, known bool) {
	line, rest, _ := strings.Cut(stat, "\n")
	fields := strings.Fields(line)
	if len(fields) < 9 || fields[0] != "cpu" {
		return 0, 0, false
	}
	for i, field := range fields[1:9] {
		ticks, err := strconv.ParseInt(field, 10, 64)
		if err != nil {
			return 0, 0, false
		}
		if idle := i == 3 || i == 4; !idle {
			busy += time.Duration(ticks) * tick
		}
	}
	for ; strings.HasPrefix(rest, "cpu"); _, rest, _ = strings.Cut(rest, "\n") {
		cores++
	}
	return busy, cores, true
}
