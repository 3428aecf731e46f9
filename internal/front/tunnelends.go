package front

import (
	"net"
	"os"
	"syscall"

	"golang.org/x/sys/unix"

	"girin/internal/sched"
)

func (c *conn) newTunnel() (*tunnel, error) {
	s := c.srv
	if s.filesFull() {
		return nil, sched.ErrNoDescriptor
	}
	near, far, err := socketPair()
	if err != nil {
		return nil, err
	}
	raw, err := near.SyscallConn()
	if err != nil {
		near.Close()
		far.Close()
		return nil, err
	}
	s.held.Add(pipeEnds)
	return &tunnel{c: c, near: near, raw: raw, far: far, number: int(far.Fd()), done: make(chan struct{}), share: s.opened.Add(1)}, nil
}

// socketPair makes a pair of unix sockets. The far one blocks, as a server's does.
func socketPair() (near *net.UnixConn, far *os.File, err error) {
	syscall.ForkLock.RLock()
	p, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM, 0)
	if err == nil {
		unix.CloseOnExec(p[0])
		unix.CloseOnExec(p[1])
	}
	syscall.ForkLock.RUnlock()
	if err != nil {
		return nil, nil, os.NewSyscallError("socketpair", err)
	}
	far = os.NewFile(uintptr(p[1]), "application-socket")
	f := os.NewFile(uintptr(p[0]), "front-socket")
	defer f.Close()
	c, err := net.FileConn(f)
	if err != nil {
		far.Close()
		return nil, nil, err
	}
	return c.(*net.UnixConn), far, nil
}

// OS returns the application's end (sched.Spool).
func (t *tunnel) OS() *os.File { return t.far }

// Close says that no worker will ask for the application's end (sched.Spool). Ours
// stays: what was written on it is still to be passed on.
func (t *tunnel) Close() {
	t.ends.Lock()
	defer t.ends.Unlock()
	if !t.closed {
		t.closed = true
		t.far.Close()
		t.c.srv.held.Add(-1)
	}
}

// letGo gives the application's end up. Its number stays taken until Close: who has sent
// it may still be about to look at it.
func (t *tunnel) letGo() {
	t.ends.Lock()
	defer t.ends.Unlock()
	if t.closed {
		return
	}
	if null, err := unix.Open(os.DevNull, unix.O_RDONLY|unix.O_CLOEXEC, 0); err == nil {
		replace(null, t.number)
		_ = unix.Close(null)
	}
}
