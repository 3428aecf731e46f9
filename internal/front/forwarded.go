package front

import (
	"bytes"
	"net"
	"net/netip"
	"slices"

	"girin/internal/http1"
)

// Peers are those whose word counts.
type Peers struct {
	All      bool // "*"
	None     bool // not even those of unix sockets
	Networks []netip.Prefix
}

// contain reports whether a peer is one of them. A unix socket's is, unless nobody
// is: its access rights say who may connect.
func (p *Peers) contain(addr net.Addr) bool {
	tcp, ok := addr.(*net.TCPAddr)
	if p.None {
		return false
	}
	if p.All || !ok {
		return true
	}
	ip := tcp.AddrPort().Addr().Unmap().WithZone("")
	for _, n := range p.Networks {
		if n.Contains(ip) {
			return true
		}
	}
	return false
}

// Trust says who may tell what of a client (gunicorn's forwarded_allow_ips,
// secure_scheme_headers and forwarder_headers).
type Trust struct {
	Peers
	Secure []SecureField
	// Forwarder are environ names that these peers may set by a field of
	// that name, underscores and all; "*" is any.
	Forwarder []string
}

// SecureField is a field and the value of it that means https.
type SecureField struct{ Name, Value string }

// limits are those for the heads of peers that are trusted.
func (t *Trust) limits(l http1.Limits) http1.Limits {
	l.Forwarder = t.Forwarder
	if slices.Contains(t.Forwarder, "*") {
		l.Underscores = http1.KeepUnderscores
	}
	return l
}

// heads are the limits of heads: of peers that are trusted, and of others.
type heads struct{ trusted, others http1.Limits }

// long are the same where heads may be as long as ASGI applications have them.
func (h heads) long(by LongHeads) heads {
	return heads{trusted: by.ofASGI(h.trusted), others: by.ofASGI(h.others)}
}

// ofASGI are the same where an application gets names as they came, so that it can tell one
// with an underscore from one with a dash, and its users send such.
func (h heads) ofASGI() heads {
	for _, l := range []*http1.Limits{&h.trusted, &h.others} {
		if l.Underscores == http1.DropUnderscores {
			l.Underscores = http1.KeepUnderscores
		}
	}
	return h
}

// limits are the limits of this peer's heads.
func (x *exchange) limits() *http1.Limits {
	asked := x.srv.asked.Load()
	if x.peer.judged != asked {
		x.peer.judge(asked, x.peer.from)
	}
	h := &asked.headsOfAny
	switch {
	case x.srv.asgi.Load():
		h = &asked.headsOfASGI
	case x.srv.wsgi.Load():
		h = &asked.headsOfWSGI
	}
	if x.peer.trusted {
		return &h.trusted
	}
	return &h.others
}

var errSchemes = &http1.Error{Status: 400, Reason: "the fields that tell the scheme disagree"}

// addForwarded adds the scheme that a trusted proxy tells, and where only the
// client knows the server's name, that name.
func (x *exchange) addForwarded(e *environ) *http1.Error {
	scheme := "http"
	if x.srv.cfg.TLS != nil {
		scheme = "https"
	}
	told, verdict := x.toldScheme()
	if verdict != nil {
		return verdict
	}
	if told != "" && told != scheme {
		e.addString("wsgi.url_scheme", told)
		scheme = told
	}
	if x.peer.unix && len(x.req.Host) > 0 {
		name, port := serverOf(x.req.Host, scheme)
		e.add("SERVER_NAME", name)
		e.add("SERVER_PORT", port)
	}
	return nil
}

// toldScheme is the scheme that a trusted proxy tells, "" if it tells none.
// Fields that disagree are refused: one of them is not the proxy's.
func (x *exchange) toldScheme() (scheme string, verdict *http1.Error) {
	if !x.peer.trusted {
		return "", nil
	}
	for i := range x.req.Fields {
		f := &x.req.Fields[i]
		if f.Kind != http1.KindOther {
			continue
		}
		for _, s := range x.peer.judged.Trust.Secure {
			if !bytes.EqualFold(f.Name, []byte(s.Name)) {
				continue
			}
			told := "http"
			if v := string(f.Value); v == s.Value || v == "wss" && s.Value == "https" { // some proxies tell a WebSocket's own
				told = "https"
			}
			if scheme != "" && told != scheme {
				return "", errSchemes
			}
			scheme = told
		}
	}
	return scheme, nil
}

// serverOf splits what a client calls the server. A unix socket has no name and
// port of its own, so gunicorn takes these.
func serverOf(host []byte, scheme string) (name, port []byte) {
	if i := bytes.LastIndexByte(host, ':'); i > bytes.IndexByte(host, ']') {
		return host[:i], host[i+1:]
	}
	if scheme == "https" {
		return host, []byte("443")
	}
	return host, []byte("80")
}

var errMounts = &http1.Error{Status: 400, Reason: "SCRIPT_NAME is told more than once"}

// scriptName is where the application is mounted: as the server was told, or
// as a proxy says that may. Told twice it is refused: one of the two is not the
// proxy's.
func (x *exchange) scriptName() (mount []byte, verdict *http1.Error) {
	if x.peer.trusted && x.peer.judged.scriptByField {
		told := false
		for i := range x.req.Fields {
			f := &x.req.Fields[i]
			if len(f.Name) != len(scriptNameField) || !bytes.EqualFold(f.Name, scriptNameField) {
				continue
			}
			if told {
				return nil, errMounts
			}
			mount, told = f.Value, true
		}
		if told {
			return mount, nil
		}
	}
	return *x.srv.mount.Load(), nil
}

var scriptNameField = []byte("SCRIPT_NAME")

// mayScriptName reports whether SCRIPT_NAME is one of the names.
func (t *Trust) mayScriptName() bool {
	return slices.Contains(t.Forwarder, "SCRIPT_NAME") || slices.Contains(t.Forwarder, "*")
}
