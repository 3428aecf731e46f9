package front

import (
	"bytes"
	"net"
	"net/netip"

	"girin/internal/http1"
)

// Trust says whose word counts: what peers may tell of the client and its
// scheme (gunicorn's forwarded_allow_ips and secure_scheme_headers).
type Trust struct {
	All      bool // "*"
	Networks []netip.Prefix
	Secure   []SecureField
}

// SecureField is a field and the value of it that means https.
type SecureField struct{ Name, Value string }

// trusts reports whether the peer's word counts. A unix socket's peer always
// counts: its access rights say who may connect.
func (t *Trust) trusts(addr net.Addr) bool {
	tcp, ok := addr.(*net.TCPAddr)
	if t.All || !ok {
		return true
	}
	ip := tcp.AddrPort().Addr().Unmap().WithZone("")
	for _, n := range t.Networks {
		if n.Contains(ip) {
			return true
		}
	}
	return false
}

var errSchemes = &http1.Error{Status: 400, Reason: "the fields that tell the scheme disagree"}

// addForwarded adds the scheme that a trusted proxy tells. Fields that disagree
// are refused: one of them is not the proxy's.
func (x *exchange) addForwarded(e *environ) *http1.Error {
	if !x.peer.trusted {
		return nil
	}
	found, https := false, false
	for i := range x.req.Fields {
		f := &x.req.Fields[i]
		if f.Kind != http1.KindOther {
			continue
		}
		for _, s := range x.srv.cfg.Trust.Secure {
			if !bytes.EqualFold(f.Name, []byte(s.Name)) {
				continue
			}
			secure := string(f.Value) == s.Value
			if found && secure != https {
				return errSchemes
			}
			found, https = true, secure
		}
	}
	if https {
		e.addString("wsgi.url_scheme", "https")
	}
	return nil
}
