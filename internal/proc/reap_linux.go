package proc

import (
	"os"
	"os/signal"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// AdoptOrphans makes this process the parent of descendants that lose theirs, as
// process 1 is anyway; they must be reaped.
func AdoptOrphans() error {
	return os.NewSyscallError("prctl", unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0))
}

// Reap waits for the children that the Starter has not started: orphans, which
// the kernel gives to process 1 or to who adopts them. Those that it has started
// are left to whoever waits for them. It goes on until stop is called.
func (s *Starter) Reap() (stop func()) {
	ended := make(chan os.Signal, 1)
	signal.Notify(ended, unix.SIGCHLD)
	done := make(chan struct{})
	go func() {
		defer close(done)
		s.family.reap(ended)
	}()
	return func() {
		signal.Stop(ended)
		close(ended)
		<-done
	}
}

// oursFirst is how soon to look again when a process of ours has ended and was
// not waited for yet: the kernel shows no other before it.
const oursFirst = 5 * time.Millisecond

func (f *family) reap(ended <-chan os.Signal) {
	again := time.NewTimer(0) // some may have ended before
	defer again.Stop()
	for {
		select {
		case _, ok := <-ended:
			if !ok {
				return
			}
		case <-again.C:
		}
		if f.reapAll() {
			again.Reset(oursFirst)
		}
	}
}

// reapAll takes the orphans that have ended, and reports whether one of ours
// stands before what may be more.
func (f *family) reapAll() (ours bool) {
	for {
		f.mu.Lock()
		pid := endedChild()
		ours = f.pids[pid]
		if pid > 0 && !ours {
			_, _ = unix.Wait4(pid, nil, unix.WNOHANG, nil)
		}
		f.mu.Unlock()
		if pid <= 0 || ours {
			return ours
		}
	}
}

// childInfo is siginfo_t as waitid(2) fills it.
type childInfo struct {
	signo, errno, code int32
	child              struct {
		_   [0]uintptr // the union is aligned like a pointer
		pid int32
	}
	_ [128]byte
}

// endedChild returns a child that has ended and leaves it as it is; 0: there is
// none.
func endedChild() int {
	var info childInfo
	for {
		_, _, errno := syscall.Syscall6(syscall.SYS_WAITID, unix.P_ALL, 0, uintptr(unsafe.Pointer(&info)),
			unix.WEXITED|unix.WNOHANG|unix.WNOWAIT, 0, 0)
		switch errno {
		case unix.EINTR:
		case 0:
			return int(info.child.pid)
		default:
			return 0
		}
	}
}
