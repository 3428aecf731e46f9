package front

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// ListenOptions are what listening needs beside the address.
type ListenOptions struct {
	Backlog   int
	ReusePort bool
	Umask     int // for unix sockets
}

// Listen opens a socket. network is tcp, unix or fd; for fd it takes over an
// inherited one.
func Listen(network, address string, fd int, o ListenOptions) (net.Listener, error) {
	var l net.Listener
	var err error
	switch network {
	case "fd":
		l, err = inherited(fd)
	case "unix":
		l, err = listenUnix(address, o)
	default:
		lc := net.ListenConfig{KeepAlive: -1, Control: o.control}
		lc.SetMultipathTCP(false) // its sockets take no filter (see dropSYNs), and clients of a server do without
		l, err = lc.Listen(context.Background(), family(network, address), address)
	}
	if err != nil {
		return nil, explain(err)
	}
	setBacklog(l, o.Backlog)
	return l, nil
}

// family is the network of an address: 0.0.0.0 is every IPv4 address, where
// the net package would listen on those of IPv6 as well.
func family(network, address string) string {
	if ap, err := netip.ParseAddrPort(address); err == nil && ap.Addr().Is4() {
		return network + "4"
	}
	return network
}

func (o ListenOptions) control(_, _ string, raw syscall.RawConn) error {
	if !o.ReusePort {
		return nil
	}
	var set error
	err := raw.Control(func(fd uintptr) {
		set = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_REUSEPORT, 1)
	})
	return errors.Join(err, set)
}

// listenUnix listens on a path. A socket that a dead server left there is
// removed. One that answers is not, nor one that does not say that nobody listens:
// that of a server whose backlog is full says EAGAIN.
func listenUnix(path string, o ListenOptions) (net.Listener, error) {
	if most := len(syscall.RawSockaddrUnix{}.Path) - 1; len(path) > most {
		return nil, fmt.Errorf("the path has %d bytes, and that of a unix socket may have %d", len(path), most)
	}
	if info, err := os.Lstat(path); err == nil {
		if info.Mode()&os.ModeSocket == 0 {
			return nil, fmt.Errorf("%s exists and is not a socket", path)
		}
		c, err := net.Dial("unix", path)
		if err == nil {
			c.Close()
		}
		if !errors.Is(err, syscall.ECONNREFUSED) {
			return nil, fmt.Errorf("another server listens on %s", path)
		}
		if err := os.Remove(path); err != nil {
			return nil, err
		}
	}
	old := syscall.Umask(o.Umask)
	defer syscall.Umask(old)
	l, err := net.Listen("unix", path)
	if err != nil {
		return nil, err
	}
	return ownPath(l, path), nil
}

func inherited(fd int) (net.Listener, error) {
	f := os.NewFile(uintptr(fd), fmt.Sprintf("fd://%d", fd))
	if f == nil {
		return nil, fmt.Errorf("fd://%d is no descriptor", fd)
	}
	defer f.Close()
	l, err := net.FileListener(f)
	if err != nil {
		return nil, fmt.Errorf("fd://%d is no listening socket: %w", fd, err)
	}
	if u, ok := l.(*net.UnixListener); ok {
		u.SetUnlinkOnClose(false)
	}
	if s, ok := l.(socket); ok {
		return handedOver{s}, nil
	}
	return l, nil
}

// handedOver is an inherited listener. Whoever started this server may hand it
// to the next one too, with what waits to be accepted.
type handedOver struct{ socket }

// socket is what listeners of the net package can do.
type socket interface {
	net.Listener
	syscall.Conn
	SetDeadline(time.Time) error
}

// setBacklog sets how many connections may wait to be accepted. The kernel
// takes a second listen(2) for that; the net package chose the system's limit.
func setBacklog(l net.Listener, backlog int) {
	if sc, ok := l.(syscall.Conn); ok && backlog > 0 {
		if raw, err := sc.SyscallConn(); err == nil {
			_ = raw.Control(func(fd uintptr) { _ = unix.Listen(int(fd), backlog) })
		}
	}
}

func onlyDigits(s string) bool {
	return s != "" && strings.Trim(s, "0123456789") == ""
}

// explain says what to do about the usual reasons. The address is the caller's
// to name.
func explain(err error) error {
	var op *net.OpError
	if errors.As(err, &op) {
		err = op.Err
	}
	var call *os.SyscallError
	if errors.As(err, &call) {
		err = call.Err
	}
	var lookup *net.DNSError
	switch {
	case errors.As(err, &lookup) && onlyDigits(lookup.Name):
		return fmt.Errorf("%w; a port alone is written :%s", err, lookup.Name)
	case errors.Is(err, syscall.EADDRINUSE):
		return fmt.Errorf("%w: another server has it; stop that one, or choose another address with --bind", err)
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		return fmt.Errorf("%w: this machine does not have that address", err)
	case errors.Is(err, syscall.EACCES):
		return fmt.Errorf("%w: ports below 1024 need root or CAP_NET_BIND_SERVICE", err)
	}
	return err
}
