package front

import (
	"errors"
	"net"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// How a listener is closed. To close it at once would reset every connection that
// waits to be accepted, and that its client holds for open:
//
//	refuse     nobody new begins: TCP's SYNs are dropped, so that a client asks again
//	           a second later; a unix socket's path goes, and connect fails
//	last round what waits is accepted, and what comes of handshakes under way
//	close
//
// An inherited listener lives on in who handed it over, and one that is shared with another
// server in that: it is only left.

// halfOpenLimit is how long a handshake that is under way is waited for: with a
// client on the other side of the world it takes 0.3 s.
const (
	halfOpenLimit = time.Second
	halfOpenLook  = 5 * time.Millisecond
)

// refuse lets no connection begin any more.
func (l *listener) refuse() {
	d, ok := l.Listener.(socket)
	if !ok || l.left.Load() || !l.refused.IsZero() {
		return
	}
	l.refused = time.Now()
	if p, ok := d.(*pathListener); ok {
		p.unlink()
		p.refuses.Store(true)
	}
	if raw, err := d.SyscallConn(); err == nil {
		_ = raw.Control(func(fd uintptr) {
			if l.unix {
				_ = unix.Shutdown(int(fd), unix.SHUT_RD)
			} else {
				dropSYNs(int(fd))
			}
		})
	}
}

// lastRound makes accept look whether it shall go on.
func (l *listener) lastRound() {
	if d, ok := l.Listener.(socket); ok {
		_ = d.SetDeadline(longAgo)
	} else {
		l.Close()
	}
}

// again undoes lastRound.
func (l *listener) again() {
	l.silent++
	if d, ok := l.Listener.(socket); ok {
		_ = d.SetDeadline(noDeadline)
	}
}

// pending reports whether a connection waits that only this server can accept. It
// waits itself for handshakes that are under way.
func (l *listener) pending() bool {
	d, ok := l.Listener.(socket)
	if !ok || l.left.Load() {
		return false
	}
	if l.unix {
		if _, finds := d.(*pathListener); !finds {
			_ = d.SetDeadline(time.Now().Add(halfOpenLook))
		}
		return l.silent < 2 // the first may be from before it refused
	}
	for look := 0; ; look++ {
		if waits(d, 0) {
			return true
		}
		if look > 0 && (!shakesHands(d) || time.Since(l.refused) > halfOpenLimit) {
			return waits(d, 0)
		}
		if waits(d, halfOpenLook) { // also at the first look: a SYN may just be on its way through
			return true
		}
	}
}

// waits reports whether a connection waits to be accepted, within limit.
func waits(d socket, limit time.Duration) (waits bool) {
	raw, err := d.SyscallConn()
	if err != nil {
		return false
	}
	err = raw.Control(func(fd uintptr) {
		p := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
		n, err := unix.Poll(p, int(limit.Milliseconds()))
		waits = err == nil && n > 0
	})
	return err == nil && waits
}

// pathListener is a unix socket that this server has made. Its path goes when
// nobody new is accepted, and only if it is still this socket's.
type pathListener struct {
	*net.UnixListener
	path    string
	file    os.FileInfo // nil: it has none
	gone    sync.Once
	refuses atomic.Bool // nobody new can connect: Accept no longer waits
	shared  atomic.Bool // another process accepts from it as well
}

func ownPath(l net.Listener, path string) net.Listener {
	u, ok := l.(*net.UnixListener)
	if !ok {
		return l
	}
	u.SetUnlinkOnClose(false)
	p := &pathListener{UnixListener: u, path: path}
	p.file, _ = os.Lstat(path)
	return p
}

func (p *pathListener) unlink() {
	if p.shared.Load() {
		return
	}
	p.gone.Do(func() {
		if now, err := os.Lstat(p.path); err == nil && p.file != nil && os.SameFile(now, p.file) {
			_ = os.Remove(p.path)
		}
	})
}

// Accept waits for a connection. Of a socket that refuses it takes what waits, and
// ends with os.ErrDeadlineExceeded if nothing does: poll(2) always finds something there,
// and a deadline of the net package may pass on a busy machine before accept(2) was tried.
func (p *pathListener) Accept() (net.Conn, error) {
	if !p.refuses.Load() {
		return p.UnixListener.Accept()
	}
	raw, err := p.SyscallConn()
	if err != nil {
		return nil, err
	}
	accepted, failure := -1, error(nil)
	err = raw.Control(func(fd uintptr) {
		syscall.ForkLock.RLock() // no child is to have it
		defer syscall.ForkLock.RUnlock()
		if accepted, _, failure = unix.Accept(int(fd)); failure == nil {
			unix.CloseOnExec(accepted)
		}
	})
	switch {
	case err != nil:
		return nil, err
	case errors.Is(failure, unix.EAGAIN), errors.Is(failure, unix.EINVAL):
		return nil, os.ErrDeadlineExceeded
	case failure != nil:
		return nil, failure
	}
	f := os.NewFile(uintptr(accepted), p.path)
	defer f.Close()
	return net.FileConn(f)
}

// Close closes the socket and removes its path.
func (p *pathListener) Close() error {
	p.unlink()
	err := p.UnixListener.Close()
	if p.shared.Load() && !listens(p.path) { // the other ends in the same moment, and leaves it to this one
		p.shared.Store(false)
		p.unlink()
	}
	return err
}

// listens reports whether somebody listens on a unix socket, or may.
func listens(path string) bool {
	c, err := net.DialTimeout("unix", path, dialLimit)
	if err == nil {
		c.Close()
	}
	return !errors.Is(err, syscall.ECONNREFUSED)
}

const dialLimit = 100 * time.Millisecond

// Retire closes a listener, without a reset, while the server goes on. Connections
// that were accepted from it stay.
func (s *Server) Retire(l net.Listener) {
	s.mu.Lock()
	defer s.mu.Unlock()
	i := slices.IndexFunc(s.listeners, func(ln *listener) bool { return ln.Listener == l })
	if i < 0 {
		return
	}
	ln := s.listeners[i]
	s.listeners = slices.Delete(s.listeners, i, i+1)
	ln.refuse()
	ln.retired.Store(true)
	ln.lastRound()
}
