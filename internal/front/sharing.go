package front

import (
	"fmt"
	"net"
	"os"
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

// FileOf is a listener's socket for another process.
func FileOf(l net.Listener) (*os.File, error) {
	if d, ok := l.(handedOver); ok {
		l = d.socket
	}
	if p, ok := l.(*pathListener); ok {
		l = p.UnixListener
	}
	f, ok := l.(interface{ File() (*os.File, error) })
	if !ok {
		return nil, fmt.Errorf("%s cannot be handed over", l.Addr())
	}
	return f.File()
}
