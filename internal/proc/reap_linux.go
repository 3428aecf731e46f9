package proc

import (
	"os"
	"os/signal"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// AdoptOrphans makes this process the parent of descendants that lose theirs, as
// process 1 is anyway; they must be reaped.
func AdoptOrphans() error {
	return os.NewSyscallError("prctl", unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0))
}

// Reap waits for the children that nobody else waits for: orphans, which the
// kernel gives to process 1 or to who adopts them. It goes on until stop is called.
func (s *Starter) Reap() (stop func()) {
	ended := make(chan os.Signal, 1)
	signal.Notify(ended, unix.SIGCHLD)
	done := make(chan struct{})
	go func() {
		defer close(done)
		s.children.reap(ended)
	}()
	return func() {
		signal.Stop(ended)
		close(ended)
		<-done
	}
}

// reap looks when a child has ended, and when one was waited for: until then the
// kernel shows no other behind it.
func (c *children) reap(ended <-chan os.Signal) {
	for {
		c.reapAll()
		select {
		case _, ok := <-ended:
			if !ok {
				return
			}
		case <-c.look:
		}
	}
}

// reapAll takes the orphans that have ended. It stops at one that somebody waits
// for, or may: while a start is under way that can be any.
func (c *children) reapAll() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for {
		pid := endedChild(unix.P_ALL, 0)
		if pid == 0 || c.pids[pid] || c.coming > 0 {
			return
		}
		_, _ = unix.Wait4(pid, nil, unix.WNOHANG, nil)
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

// endedChild returns a child that has ended, of those that are asked for as
// waitid(2) takes it, and leaves it as it is; 0: there is none.
func endedChild(sort, id int) int {
	pid, _ := peek(sort, id)
	return pid
}

// isChild reports whether a process is a child of this one, ended or not.
func isChild(pid int) bool {
	_, errno := peek(unix.P_PID, pid)
	return errno == 0
}

func peek(sort, id int) (pid int, errno syscall.Errno) {
	var info childInfo
	for {
		_, _, errno := syscall.Syscall6(syscall.SYS_WAITID, uintptr(sort), uintptr(id), uintptr(unsafe.Pointer(&info)),
			unix.WEXITED|unix.WNOHANG|unix.WNOWAIT, 0, 0)
		if errno != unix.EINTR {
			return int(info.child.pid), errno
		}
	}
}
