package front

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// ProxyProtocol says whether connections begin with a header that names the
// client, and whose word is taken for it. From others, and without a header, a
// connection ends: to guess would let clients name themselves (section 2 of
// the protocol).
type ProxyProtocol struct {
	Versions ProxyVersions
	Allow    Peers
}

// ProxyVersions are the versions of the header that are taken.
type ProxyVersions uint8

// The versions of the PROXY protocol.
const (
	ProxyV1 ProxyVersions = 1 << iota
	ProxyV2
)

// On reports whether the PROXY protocol is spoken.
func (p *ProxyProtocol) On() bool { return p.Versions != 0 }

// proxyLimit is how long the header may take. It comes in the first packet.
const proxyLimit = 5 * time.Second

var errProxyLate = fmt.Errorf("its PROXY header did not come within %v", proxyLimit)

// readProxyHeader takes the header from the connection and reports whether
// there was a good one.
func (c *conn) readProxyHeader(p *ProxyProtocol) bool {
	nc := c.nc
	if !p.Allow.contain(nc.RemoteAddr()) {
		c.srv.warned.once(c.srv, "proxy "+c.peer.addr, "connections from "+c.peer.addr+
			" are refused: it is not in proxy_allow_ips")
		return false
	}
	c.stage.enter(stageProxy)
	h, err := takeProxyHeader(nc.(syscall.Conn), p.Versions)
	if err != nil {
		if errors.Is(err, os.ErrDeadlineExceeded) { // whose text has the port
			err = errProxyLate
		}
		c.srv.warned.once(c.srv, "proxy "+c.peer.addr+err.Error(),
			fmt.Sprintf("a connection from %s is refused: %v", c.peer.addr, err))
		return false
	}
	c.peer.facts = append(c.peer.facts, fact{"PROXY_PROTOCOL", h.protocol})
	if h.client.IsValid() { // else the connection is the proxy's own
		c.peer.addr, c.peer.port = h.client.Addr().Unmap().String(), portOf(h.client.Port())
		c.peer.facts = append(c.peer.facts, fact{"PROXY_ADDR", h.destination.Addr().Unmap().String()},
			fact{"PROXY_PORT", portOf(h.destination.Port())})
	}
	c.stage.enter(stageNew)
	return true
}

func portOf(port uint16) string { return strconv.Itoa(int(port)) }

// takeProxyHeader reads a header and no byte more: TLS, or the reader of
// HTTP/1.1, reads on from the socket itself. So it looks at what has come, and
// takes only what belongs to the header.
func takeProxyHeader(nc syscall.Conn, versions ProxyVersions) (h proxyHeader, err error) {
	raw, err := nc.SyscallConn()
	if err != nil {
		return h, err
	}
	var buf [maxProxyHeader]byte
	for have := 0; have < len(buf); {
		seen, err := receive(raw, buf[have:], unix.MSG_PEEK)
		if err != nil {
			return h, err
		}
		h, n, err := parseProxyHeader(buf[:have+seen], versions)
		if err != nil {
			return h, err
		}
		take := seen
		if n > 0 {
			take = n - have
		}
		if _, err := receive(raw, buf[have:have+take], 0); err != nil || n > 0 {
			return h, err
		}
		have += take
	}
	return h, errProxyLong
}

// receive waits for bytes and reads them with recv(2) and its flags.
func receive(raw syscall.RawConn, b []byte, flags int) (n int, err error) {
	failed := raw.Read(func(fd uintptr) bool {
		for {
			n, _, err = unix.Recvfrom(int(fd), b, flags)
			if err != unix.EINTR {
				return err != unix.EAGAIN
			}
		}
	})
	switch {
	case failed != nil:
		return 0, failed
	case err != nil:
		return 0, err
	case n == 0:
		return 0, io.EOF
	}
	return n, nil
}
