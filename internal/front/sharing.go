package front

import (
	"cmp"
	"fmt"
	"net"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// TakeOver is a listener that another server of ours has opened at that address, and
// shares with this one. Like Listen's it is this server's own once it is shared no more.
func TakeOver(fd int, network, address string) (net.Listener, error) {
	l, err := inherited(fd)
	if err != nil {
		return nil, err
	}
	d, ok := l.(handedOver)
	if !ok || network == "fd" {
		return l, nil
	}
	if network == "unix" {
		own := ownPath(d.socket, address)
		Share(own, true)
		return own, nil
	}
	return d.socket, nil
}

// Share says whether another process accepts from a listener as well: whoever ends first
// then leaves its path to the other.
func Share(l net.Listener, shared bool) {
	if p, ok := l.(*pathListener); ok {
		p.shared.Store(shared)
	}
}

// Share says whether another server accepts from the same listeners: who ends first only
// leaves them.
func (s *Server) Share(shared bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.shares = shared
	for _, l := range s.listeners {
		l.share(shared)
	}
}

func (l *listener) share(shared bool) {
	_, handed := l.Listener.(handedOver)
	l.left.Store(handed || shared)
	Share(l.Listener, shared)
}

// FileOf is a listener's socket for another process. Unlike that of the listener's own File
// it stays non-blocking when a process is started with it: else Accept here, of which it is
// the same socket, would meanwhile wait where no deadline ends it.
func FileOf(l net.Listener) (*os.File, error) {
	s, ok := l.(syscall.Conn)
	if !ok {
		return nil, fmt.Errorf("%s cannot be handed over", l.Addr())
	}
	raw, err := s.SyscallConn()
	if err != nil {
		return nil, err
	}
	copied, failure := -1, error(nil)
	err = raw.Control(func(fd uintptr) { copied, failure = unix.FcntlInt(fd, unix.F_DUPFD_CLOEXEC, 0) })
	if err = cmp.Or(err, failure); err != nil {
		return nil, fmt.Errorf("%s cannot be handed over: %w", l.Addr(), err)
	}
	return os.NewFile(uintptr(copied), l.Addr().String()), nil
}
