package serve

import (
	"fmt"
	"net"
	"slices"
	"sync"

	"github.com/coreos/go-systemd/v22/activation"
	"golang.org/x/sys/unix"

	"girin/internal/config"
	"girin/internal/front"
)

// sockets are what the server listens on, and has listened on: the index of one is
// that of its base environ, which its connections still need when it has gone.
type sockets struct {
	mu  sync.Mutex
	all []socket // guarded by mu
}

type socket struct {
	net.Listener
	address string // as it was given; "": the service manager's
	gone    bool
}

// mostSockets is how many a server may have had; the index is a byte.
const mostSockets = 256

func (s *sockets) add(l net.Listener, address string) (index int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.all = append(s.all, socket{Listener: l, address: address})
	return len(s.all) - 1
}

// give marks one as gone, and returns it.
func (s *sockets) give(index int) net.Listener {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.all[index].gone = true
	return s.all[index].Listener
}

func (s *sockets) list() []socket {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.all)
}

// open are those that are not gone.
func (s *sockets) open() []socket {
	return slices.DeleteFunc(s.list(), func(l socket) bool { return l.gone })
}

func (s *server) listen() error {
	if s.predecessor.here() && !s.cfg.NoBind {
		return s.takeOver()
	}
	if err := s.activated(); err != nil || s.inherited {
		return err
	}
	if s.cfg.NoBind {
		return nil
	}
	addresses, err := s.cfg.Addresses()
	if err != nil {
		return err
	}
	for _, a := range addresses {
		if _, err := s.bind(a, s.cfg); err != nil {
			return err
		}
	}
	return nil
}

func (s *server) bind(a config.Address, c *config.Config) (index int, err error) {
	l, err := front.Listen(a.Network, a.Addr, a.FD, front.ListenOptions{Backlog: c.Backlog, ReusePort: c.ReusePort, Umask: c.Umask})
	if err != nil {
		return 0, fmt.Errorf("bind %s: %w", a, err)
	}
	return s.sockets.add(l, a.String()), nil
}

// activated listens on the sockets that the service manager has opened
// (sd_listen_fds(3)). They take the place of all others, as with gunicorn.
func (s *server) activated() error {
	for _, f := range activation.Files(true) {
		fd, err := unix.FcntlInt(f.Fd(), unix.F_DUPFD_CLOEXEC, 0)
		f.Close()
		if err != nil {
			return fmt.Errorf("socket activation: %w", err)
		}
		l, err := front.Listen("fd", "", fd, front.ListenOptions{Backlog: s.cfg.Backlog})
		if err != nil {
			return fmt.Errorf("socket activation: %w", err)
		}
		s.sockets.add(l, "")
		s.inherited = true
	}
	return nil
}

func (s *server) urls() (urls []string) {
	for _, l := range s.sockets.open() {
		urls = append(urls, urlOf(l, s.cfg.TLS()))
	}
	return urls
}

func urlOf(l net.Listener, tls bool) string {
	switch {
	case l.Addr().Network() == "unix":
		return "unix:" + l.Addr().String()
	case tls:
		return "https://" + l.Addr().String()
	}
	return "http://" + l.Addr().String()
}

// isLocal reports whether only this machine can reach an address.
func isLocal(a net.Addr) bool {
	tcp, ok := a.(*net.TCPAddr)
	return !ok || tcp.IP.IsLoopback()
}
