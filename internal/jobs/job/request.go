package job

import (
	"cmp"
	"encoding/binary"
	"errors"
	"strings"

	"girin/internal/wire"
)

// Request is what a job's environ block says of the request.
type Request struct {
	Method string
	Path   string // decoded, below Mount
	Raw    string // as its client sent it
	Mount  string // where the application is mounted: SCRIPT_NAME
	Query  string
	fields map[string]string // by the environ's name, without HTTP_
}

// Field is a header field's value, "" if there is none. Its name is written as in HTTP.
func (r *Request) Field(name string) string {
	return r.fields[strings.ToUpper(strings.ReplaceAll(name, "-", "_"))]
}

// Fields calls f with each field's name, as the environ has it, and value.
func (r *Request) Fields(f func(name, value string)) {
	for name, value := range r.fields {
		f(name, value)
	}
}

var errBlock = errors.New("the block of a request ends too early")

// ParseRequest reads a block of any form.
func ParseRequest(form wire.Form, block []byte) (*Request, error) {
	strs, err := split(form, block)
	if err != nil {
		return nil, err
	}
	if form == wire.ASGIJoined || form == wire.ASGILengths {
		return ofScope(strs)
	}
	return ofEnviron(strs)
}

// split cuts a block into its strings.
func split(form wire.Form, block []byte) (strs []string, err error) {
	if form == wire.Joined || form == wire.ASGIJoined {
		for rest := block; rest != nil; {
			var s []byte
			s, rest = wire.CutString(rest)
			strs = append(strs, string(s))
		}
		return strs, nil
	}
	for len(block) > 0 {
		if len(block) < 4 {
			return nil, errBlock
		}
		n := binary.LittleEndian.Uint32(block)
		if block = block[4:]; uint64(n) > uint64(len(block)) {
			return nil, errBlock
		}
		strs, block = append(strs, string(block[:n])), block[n:]
	}
	return strs, nil
}

func ofEnviron(strs []string) (*Request, error) {
	if len(strs)%2 != 0 {
		return nil, errBlock
	}
	r := &Request{fields: map[string]string{}}
	for i := 0; i < len(strs); i += 2 {
		switch key, value := strs[i], strs[i+1]; key {
		case "REQUEST_METHOD":
			r.Method = value
		case "PATH_INFO":
			r.Path = value
		case "RAW_URI":
			r.Raw = rawPath(value)
		case "SCRIPT_NAME":
			r.Mount = value
		case "QUERY_STRING":
			r.Query = value
		case "CONTENT_TYPE", "CONTENT_LENGTH":
			r.fields[key] = value
		default:
			if name, ok := strings.CutPrefix(key, "HTTP_"); ok {
				r.fields[name] = value
			}
		}
	}
	return r, nil
}

// rawPath is the path of a request's target (RFC 9112 section 3.2).
func rawPath(target string) string {
	if _, rest, absolute := strings.Cut(target, "://"); absolute && target[0] != '/' {
		if i := strings.IndexAny(rest, "/?"); i >= 0 {
			target = rest[i:]
		} else {
			target = ""
		}
	}
	if i := strings.IndexAny(target, "?#"); i >= 0 {
		target = target[:i]
	}
	return cmp.Or(target, "/")
}

// The strings of a scope's block, in the order that wire names, before the fields.
const (
	scopeMethod = 0
	scopePath   = 3
	scopeRaw    = 4
	scopeQuery  = 5
	scopeMount  = 6
	scopeFields = 9
)

func ofScope(strs []string) (*Request, error) {
	if len(strs) < scopeFields || (len(strs)-scopeFields)%2 != 0 {
		return nil, errBlock
	}
	r := &Request{
		Method: strs[scopeMethod], Path: strs[scopePath], Raw: strs[scopeRaw], Mount: strings.TrimSuffix(strs[scopeMount], "/"), Query: strs[scopeQuery],
		fields: map[string]string{},
	}
	if rest, below := strings.CutPrefix(r.Path, r.Mount); below && strings.HasPrefix(rest, "/") {
		r.Path = rest
	}
	for i := scopeFields; i < len(strs); i += 2 {
		if strings.Contains(strs[i], "_") {
			continue // it would pass for one with a dash, which a proxy may have taken out or set
		}
		name := strings.ToUpper(strings.ReplaceAll(strs[i], "-", "_"))
		if was, there := r.fields[name]; there {
			separator := ","
			if name == "COOKIE" {
				separator = "; "
			}
			strs[i+1] = was + separator + strs[i+1]
		}
		r.fields[name] = strs[i+1]
	}
	return r, nil
}

// Idempotent reports whether the request may run more than once (RFC 9110 section 9.2.2),
// or its client says by an Idempotency-Key that it may.
func (r *Request) Idempotent() bool {
	switch r.Method {
	case "GET", "HEAD", "PUT", "DELETE", "OPTIONS", "TRACE":
		return true
	}
	return r.Field("Idempotency-Key") != ""
}

// WithPairs puts pairs before an environ block of WSGI: what the block says itself counts
// for more. A block of ASGI has no place for them.
func WithPairs(form wire.Form, block []byte, pairs [][2]string) []byte {
	b := make([]byte, 0, 256+len(block))
	switch form {
	case wire.Lengths:
		for _, p := range pairs {
			b = wire.AppendLengths(b, p[0], []byte(p[1]))
		}
	case wire.Joined:
		for _, p := range pairs {
			b = append(append(append(append(b, p[0]...), 0), p[1]...), 0)
		}
	default:
		return block
	}
	return append(b, block...)
}
