package front

import (
	"bytes"
	"encoding/binary"
	"net"
	"net/netip"
	"strconv"
	"strings"

	"girin/internal/http1"
	"girin/internal/wire"
)

// makeScope writes what an ASGI application's scope is made of into the call, in
// the order that wire names (forms ASGIJoined and ASGILengths).
func (x *exchange) makeScope() *http1.Error {
	b := scopeBlock{b: x.takeRequest(), form: wire.ASGIJoined}
	verdict := x.writeScope(&b)
	if verdict == nil && b.nul {
		b = scopeBlock{b: b.b[:wire.RequestHead], form: wire.ASGILengths}
		verdict = x.writeScope(&b)
	}
	x.call.Request, x.call.Form = b.b, b.form
	return verdict
}

func (x *exchange) writeScope(b *scopeBlock) *http1.Error {
	req := &x.req
	mount, verdict := x.scriptName()
	if verdict != nil {
		return verdict
	}
	scheme, verdict := x.scheme()
	if verdict != nil {
		return verdict
	}
	b.add(req.Method)
	b.add([]byte(versions[x.protocol()]))
	b.add([]byte(scheme))
	path := x.pathWith(mount)
	b.addPath(path)
	b.add(path)
	b.add(req.Query)
	b.add(mount)
	addr, port := x.client()
	b.add(addr)
	b.add([]byte(port))
	x.takesTrailers = false
	for i := range req.Fields {
		f := &req.Fields[i]
		value := f.Value
		switch f.Kind {
		case http1.KindHost:
			value = req.Host
		case http1.KindTE:
			x.takesTrailers = x.takesTrailers || takesTrailers(value)
		}
		b.addLower(f.Name)
		b.add(value)
	}
	if x.peer.tls != nil {
		b.add(tlsField)
		b.add(x.peer.tls)
	}
	return nil
}

// tlsField names the last of the fields of a connection with TLS, which is none of the
// client's: what the extension tls tells.
var tlsField = []byte(":tls")

// pathWith is the request's path below the mount point. A proxy may have taken
// the mount point off: an ASGI application is told the whole path either way.
func (x *exchange) pathWith(mount []byte) []byte {
	path := x.req.Path
	if rest, below := bytes.CutPrefix(path, mount); len(mount) == 0 || below && (len(rest) == 0 || rest[0] == '/') {
		return path
	}
	return append(bytes.Clone(mount), path...)
}

// versions name the versions of HTTP as ASGI does.
var versions = map[string]string{"HTTP/1.0": "1.0", baseProtocol: "1.1", "HTTP/2.0": "2"}

// scheme is the connection's, or the one that a trusted proxy tells.
func (x *exchange) scheme() (string, *http1.Error) {
	told, verdict := x.toldScheme()
	switch {
	case verdict != nil || told != "":
		return told, verdict
	case x.srv.cfg.TLS != nil:
		return "https", nil
	}
	return "http", nil
}

// client is who asks: behind proxies that are trusted, the last address of
// X-Forwarded-For that is none of theirs, as uvicorn tells it. Its port is 0
// where the proxy did not write it.
func (x *exchange) client() (addr []byte, port string) {
	if x.peer.trusted {
		if told := x.forwardedFor(); told.IsValid() {
			return []byte(told.Addr().String()), strconv.Itoa(int(told.Port()))
		}
	}
	return []byte(x.peer.addr), x.peer.port
}

func (x *exchange) forwardedFor() (client netip.AddrPort) {
	fields := x.req.Fields
	for i := len(fields) - 1; i >= 0; i-- {
		if fields[i].Kind != http1.KindOther || !bytes.EqualFold(fields[i].Name, forwardedForField) {
			continue
		}
		for rest := fields[i].Value; rest != nil; {
			var last []byte
			if j := bytes.LastIndexByte(rest, ','); j >= 0 {
				rest, last = rest[:j], rest[j+1:]
			} else {
				rest, last = nil, rest
			}
			told := parseHop(string(bytes.TrimSpace(last)))
			if !told.IsValid() {
				return client
			}
			client = told
			if !x.peer.judged.Trust.contain(net.TCPAddrFromAddrPort(told)) {
				return client
			}
		}
	}
	return client
}

// parseHop reads an element of X-Forwarded-For: an address, which some proxies write in brackets, or
// with its port. One that is neither is not valid.
func parseHop(text string) netip.AddrPort {
	told, err := netip.ParseAddrPort(text)
	if err != nil {
		if strings.HasPrefix(text, "[") && strings.HasSuffix(text, "]") {
			text = text[1 : len(text)-1]
		}
		addr, err := netip.ParseAddr(text)
		if err != nil {
			return netip.AddrPort{}
		}
		told = netip.AddrPortFrom(addr, 0)
	}
	return netip.AddrPortFrom(told.Addr().Unmap().WithZone(""), told.Port())
}

var forwardedForField = []byte("X-Forwarded-For")

// scopeBlock is a block being written.
type scopeBlock struct {
	b    []byte
	form wire.Form
	nul  bool // a string of a joined block holds a NUL
}

func (b *scopeBlock) add(s []byte) {
	if b.begin(len(s)); b.form == wire.ASGIJoined {
		b.nul = b.nul || bytes.IndexByte(s, 0) >= 0
	}
	b.b = append(b.b, s...)
}

// begin begins a string of n bytes.
func (b *scopeBlock) begin(n int) {
	switch {
	case b.form == wire.ASGILengths:
		b.b = binary.LittleEndian.AppendUint32(b.b, uint32(n))
	case len(b.b) > wire.RequestHead:
		b.b = append(b.b, 0)
	}
}

// addLower adds a field's name.
func (b *scopeBlock) addLower(name []byte) {
	b.begin(len(name))
	from := len(b.b)
	b.b = append(b.b, name...)
	http1.Lower(b.b[from:])
}

// addPath adds a path with its escapes undone.
func (b *scopeBlock) addPath(path []byte) {
	if bytes.IndexByte(path, '%') < 0 {
		b.add(path)
		return
	}
	b.add(http1.AppendUnescaped(make([]byte, 0, 256), path))
}
