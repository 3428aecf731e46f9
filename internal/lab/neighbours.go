package lab

import (
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// Neighbours tells what other programs take of the machine's cores, from a moment on.
type Neighbours struct {
	began     time.Time
	all, ours time.Duration // CPU time by then
	known     bool
}

// WatchNeighbours begins.
func WatchNeighbours() Neighbours {
	all, known := machineCPU(readText("/proc/stat"))
	return Neighbours{began: time.Now(), all: all, ours: ourCPU(), known: known}
}

// Cores is how many cores, on average, were taken by what is neither this program nor a child of it; that of children that
// still run is given. 0 where the system does not tell.
func (n Neighbours) Cores(running time.Duration) float64 {
	all, known := machineCPU(readText("/proc/stat"))
	took := time.Since(n.began)
	if !known || !n.known || took < time.Second/ticksPerSecond {
		return 0
	}
	return max(0, (all-n.all-(ourCPU()-n.ours)-running).Seconds()/took.Seconds())
}

// Crowd reports whether so many cores of others are in the way of what is measured on the usable ones: where these are only
// some of the machine's, others may run on the rest.
func Crowd(others float64, usable int) bool {
	return usable >= runtime.NumCPU() && others >= crowded*float64(runtime.NumCPU())
}

// crowded is the share of all cores from which on others are in the way.
const crowded = 0.15

// machineCPU is the CPU time of all programs, from the first line of /proc/stat: user, nice, system, idle, iowait, irq, softirq,
// and what a hypervisor has given to others.
func machineCPU(stat string) (busy time.Duration, known bool) {
	line, _, _ := strings.Cut(stat, "\n")
	fields := strings.Fields(line)
	if len(fields) < 9 || fields[0] != "cpu" {
		return 0, false
	}
	for i, field := range fields[1:9] {
		ticks, err := strconv.ParseInt(field, 10, 64)
		if err != nil {
			return 0, false
		}
		if idle := i == 3 || i == 4; !idle {
			busy += time.Duration(ticks) * time.Second / ticksPerSecond
		}
	}
	return busy, true
}

// ourCPU is what this program and the children that it has waited for have used.
func ourCPU() (sum time.Duration) {
	for _, who := range []int{syscall.RUSAGE_SELF, syscall.RUSAGE_CHILDREN} {
		var u syscall.Rusage
		if syscall.Getrusage(who, &u) == nil {
			sum += time.Duration(u.Utime.Nano() + u.Stime.Nano())
		}
	}
	return sum
}
