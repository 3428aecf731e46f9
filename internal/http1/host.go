package http1

import (
	"bytes"
	"net/netip"
)

// validHost checks uri-host [ ":" port ] (RFC 9110 section 7.2) and wants a
// host. Percent-encoding, which DNS names do not need and readers decode
// differently, userinfo and IPv6 zones are refused.
func validHost(h []byte) bool {
	if len(h) > 0 && h[0] == '[' {
		end := bytes.IndexByte(h, ']')
		return end > 0 && validIPv6(h[1:end]) && validPort(h[end+1:])
	}
	for i, c := range h {
		if c == ':' {
			return i > 0 && validPort(h[i:])
		}
		if class[c]&isHost == 0 {
			return false
		}
	}
	return len(h) > 0
}

// validIPv6 checks the inside of an IP literal. It is the one check of a good
// head that allocates: ParseAddr wants a string.
func validIPv6(b []byte) bool {
	addr, err := netip.ParseAddr(string(b))
	return err == nil && addr.Is6() && addr.Zone() == ""
}

// validPort checks [ ":" *DIGIT ], up to the largest port there is.
func validPort(b []byte) bool {
	if len(b) == 0 {
		return true
	}
	if b[0] != ':' {
		return false
	}
	port := 0
	for _, c := range b[1:] {
		if !isDigit(c) {
			return false
		}
		if port = port*10 + int(c-'0'); port > 65535 {
			return false
		}
	}
	return true
}
