package serve

import (
	"fmt"
	"net"

	"github.com/coreos/go-systemd/v22/activation"
	"golang.org/x/sys/unix"

	"girin/internal/front"
)

func (s *server) listen() error {
	if err := s.activated(); err != nil || len(s.listeners) > 0 {
		return err
	}
	addresses, err := s.cfg.Addresses()
	if err != nil {
		return err
	}
	for _, a := range addresses {
		l, err := front.Listen(a.Network, a.Addr, a.FD, front.ListenOptions{
			Backlog: s.cfg.Backlog, ReusePort: s.cfg.ReusePort, Umask: s.cfg.Umask,
		})
		if err != nil {
			return fmt.Errorf("bind %s: %w", a, err)
		}
		s.listeners = append(s.listeners, l)
	}
	return nil
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
		s.listeners, s.inherited = append(s.listeners, l), true
	}
	return nil
}

func (s *server) urls() (urls []string) {
	for _, l := range s.listeners {
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
