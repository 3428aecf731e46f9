package front

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"strconv"
)

// proxyHeader is what a PROXY protocol header says of a connection
// (haproxy's proxy-protocol.txt, versions 1 and 2).
type proxyHeader struct {
	protocol            string // TCP4, TCP6, or for a connection of the proxy's own LOCAL, UNKNOWN or UNSPEC
	client, destination netip.AddrPort
}

const (
	// maxProxyLine is the longest header of version 1, with its CRLF.
	maxProxyLine = 107
	// maxProxyHeader bounds a header of version 2. Addresses take 52 bytes of
	// it; the rest is for additions, which are passed over.
	maxProxyHeader = 4096
)

var (
	proxyPrefix    = []byte("PROXY ")
	proxySignature = []byte("\r\n\r\n\x00\r\nQUIT\n")

	errNoProxyHeader = errors.New("it does not begin with a PROXY header")
	errProxyLong     = errors.New("its PROXY header is too long")
	errProxyLine     = errors.New("its PROXY header of version 1 is malformed")
)

// parseProxyHeader reads the header at the start of b and returns its length;
// 0 if more bytes are needed, which then all belong to the header.
func parseProxyHeader(b []byte, versions ProxyVersions) (h proxyHeader, n int, err error) {
	switch {
	case versions&ProxyV1 != 0 && begins(b, proxyPrefix):
		return parseProxyLine(b)
	case versions&ProxyV2 != 0 && begins(b, proxySignature):
		return parseProxyBinary(b)
	}
	return h, 0, errNoProxyHeader
}

// begins reports whether b begins with prefix, as far as it is there.
func begins(b, prefix []byte) bool {
	n := min(len(b), len(prefix))
	return bytes.Equal(b[:n], prefix[:n])
}

// parseProxyLine reads version 1:
//
//	PROXY TCP4 192.0.2.1 198.51.100.1 56324 443\r\n
func parseProxyLine(b []byte) (h proxyHeader, n int, err error) {
	end := bytes.IndexByte(b[:min(len(b), maxProxyLine)], '\n')
	switch {
	case end < 0 && len(b) >= maxProxyLine:
		return h, 0, errProxyLong
	case end < 0:
		return h, 0, nil
	case b[end-1] != '\r':
		return h, 0, errProxyLine
	}
	fields := bytes.Split(b[len(proxyPrefix):end-1], []byte(" "))
	h.protocol = string(fields[0])
	switch {
	case h.protocol == "UNKNOWN": // whatever follows is to be ignored
		return h, end + 1, nil
	case len(fields) != 5 || h.protocol != "TCP4" && h.protocol != "TCP6":
		return h, 0, errProxyLine
	}
	var ok1, ok2 bool
	h.client, ok1 = proxyAddress(h.protocol, fields[1], fields[3])
	h.destination, ok2 = proxyAddress(h.protocol, fields[2], fields[4])
	if !ok1 || !ok2 {
		return h, 0, errProxyLine
	}
	return h, end + 1, nil
}

func proxyAddress(protocol string, host, port []byte) (a netip.AddrPort, ok bool) {
	addr, err := netip.ParseAddr(string(host))
	if err != nil || addr.Zone() != "" || addr.Is4() != (protocol == "TCP4") {
		return a, false
	}
	number, err := strconv.ParseUint(string(port), 10, 16)
	if err != nil || len(port) > 1 && port[0] == '0' {
		return a, false
	}
	return netip.AddrPortFrom(addr, uint16(number)), true
}

// The parts of version 2: the signature, version and command, family and
// transport, the length of what follows.
const (
	proxyFixed   = 16
	proxyLocal   = 0x20
	proxyProxied = 0x21
)

func parseProxyBinary(b []byte) (h proxyHeader, n int, err error) {
	if len(b) < proxyFixed {
		return h, 0, nil
	}
	n = proxyFixed + int(binary.BigEndian.Uint16(b[14:]))
	switch {
	case n > maxProxyHeader:
		return h, 0, errProxyLong
	case b[12] != proxyLocal && b[12] != proxyProxied:
		return h, 0, fmt.Errorf("its PROXY header has version and command %#02x", b[12])
	case len(b) < n:
		return h, 0, nil
	case b[12] == proxyLocal:
		h.protocol = "LOCAL"
		return h, n, nil
	}
	if err := h.addresses(b[13], b[proxyFixed:n]); err != nil {
		return h, 0, err
	}
	return h, n, nil
}

// addresses reads those of version 2. Of families and transports only what
// carries HTTP here is taken: TCP.
func (h *proxyHeader) addresses(family byte, b []byte) error {
	size := 0
	switch family {
	case 0x00:
		h.protocol = "UNSPEC"
		return nil
	case 0x11:
		h.protocol, size = "TCP4", 4
	case 0x21:
		h.protocol, size = "TCP6", 16
	default:
		return fmt.Errorf("its PROXY header has family and transport %#02x, not TCP", family)
	}
	if len(b) < 2*size+4 {
		return errors.New("its PROXY header is too short for its addresses")
	}
	client, _ := netip.AddrFromSlice(b[:size])
	destination, _ := netip.AddrFromSlice(b[size : 2*size])
	ports := b[2*size:]
	h.client = netip.AddrPortFrom(client, binary.BigEndian.Uint16(ports))
	h.destination = netip.AddrPortFrom(destination, binary.BigEndian.Uint16(ports[2:]))
	return nil
}
