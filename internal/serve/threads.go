package serve

import (
	"runtime"
	"sync"

	"golang.org/x/sys/unix"

	"girin/internal/cgroup"
)

// spareThreads is how many of the system's threads the Go runtime gets at the start beyond those
// that it makes itself. It makes one whenever others wait in system calls; and if it may not, since
// the application's threads are all that there may be (pids.max, ulimit -u), it ends the process.
// One costs about 30 KiB.
const spareThreads = 16

// takeThreads has the runtime make them; it keeps what it has. Where there may be only few, most are left to others.
func (s *server) takeThreads() error {
	n := int64(spareThreads)
	if left, limited := cgroup.Own().TasksLeft(); limited {
		n = min(n, left/4)
	}
	var limit unix.Rlimit
	if unix.Getrlimit(unix.RLIMIT_NPROC, &limit) == nil {
		n = min(n, int64(min(uint64(limit.Cur)/16, spareThreads)))
	}
	makeThreads(int(n))
	return nil
}

// makeThreads has each of n goroutines hold a thread until all do.
func makeThreads(n int) {
	var holds, ended sync.WaitGroup
	holds.Add(n)
	for range n {
		ended.Go(func() {
			runtime.LockOSThread()
			defer runtime.UnlockOSThread()
			holds.Done()
			holds.Wait()
		})
	}
	ended.Wait()
}
