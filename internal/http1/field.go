package http1

import (
	"bytes"
	"math"
)

// field reads one field line: name ":" OWS value OWS (RFC 9112 section 5).
func (r *Request) field(line []byte, l *Limits) *Error {
	name, classes, err := fieldName(line)
	if err != nil {
		return err
	}
	f := Field{Name: name, Value: trimOWS(line[len(name)+1:]), Kind: KindOf(name)}
	if keep, err := f.allowed(classes, l); !keep {
		return err
	}
	if f.Kind != KindOther {
		if err := r.known(&f); err != nil {
			return err
		}
	}
	r.Fields = append(r.Fields, f)
	return nil
}

// allowed decides on a field by its value's bytes and its name's classes: not
// to keep it without an error means to pass over it.
func (f *Field) allowed(classes uint8, l *Limits) (keep bool, err *Error) {
	if hasControl(f.Value) {
		return false, errValue
	}
	if classes&isUnderscore != 0 {
		return l.underscore(f.Name)
	}
	return true, nil
}

// fieldName returns the token before the colon, and the classes of its bytes.
func fieldName(line []byte) (name []byte, classes uint8, err *Error) {
	for i, c := range line {
		bits := class[c]
		if bits&isToken == 0 {
			if c != ':' || i == 0 {
				return nil, 0, nameError(line, i)
			}
			return line[:i], classes, nil
		}
		classes |= bits
	}
	return nil, 0, errNoColon
}

// nameError says what is wrong with a line whose byte i is no part of a name.
func nameError(line []byte, i int) *Error {
	switch c := line[i]; {
	case isOWS(c) && i == 0:
		return errFold // RFC 9112 sections 2.2 and 5.2
	case c == ':':
		return errEmptyName
	case isOWS(c) && bytes.HasPrefix(bytes.TrimLeft(line[i:], " \t"), []byte(":")):
		return errSpaceColon // RFC 9112 section 5.1
	}
	return errName
}

// known acts on a field that means something to a server.
func (r *Request) known(f *Field) *Error {
	switch f.Kind {
	case KindHost:
		return r.hostField(f.Value)
	case KindContentLength:
		return r.contentLength(f)
	case KindTransferEncoding:
		return r.transferEncoding(f.Value)
	case KindConnection:
		r.connection(f.Value)
	case KindExpect:
		return r.expect(f.Value)
	case KindUpgrade:
		r.Upgrades = true
	case KindContentType:
		if r.has.contentType {
			return errTypeRepeated
		}
		r.has.contentType = true
	}
	return nil
}

func (r *Request) hostField(v []byte) *Error {
	if r.has.host {
		return errHostRepeated
	}
	// Empty is right for a target without authority (RFC 9110 section 7.2).
	if len(v) > 0 && !validHost(v) {
		return errHost
	}
	r.has.host = true
	if !r.has.absolute {
		r.Host = v
	}
	return nil
}

// contentLength reads 1*DIGIT. A second field is refused even if it agrees, and
// so is a list: RFC 9112 section 6.3 allows to, and proxies disagree. Leading
// zeros go from the value: what reads it later may take them for octal.
func (r *Request) contentLength(f *Field) *Error {
	v := f.Value
	if r.has.contentLength {
		return errLengthTwice
	}
	r.has.contentLength = true
	if len(v) == 0 {
		return errLength
	}
	var n int64
	for _, c := range v {
		if !isDigit(c) {
			return errLength
		}
		d := int64(c - '0')
		if n > (math.MaxInt64-d)/10 {
			return errLengthHuge
		}
		n = n*10 + d
	}
	r.ContentLength = n
	for len(f.Value) > 1 && f.Value[0] == '0' {
		f.Value = f.Value[1:]
	}
	return nil
}

// transferEncoding accepts "chunked" and nothing else: no other coding is
// decoded here (501), and what does not end with chunked once has no length
// that can be known (400, RFC 9112 section 6.3).
func (r *Request) transferEncoding(v []byte) *Error {
	if r.has.coding {
		return errCoding
	}
	r.has.coding = true
	if equalFold(v, "chunked") {
		return nil
	}
	return codingError(v)
}

func codingError(list []byte) *Error {
	var item []byte
	chunked, other := 0, 0
	for len(list) > 0 {
		item, list = nextItem(list)
		switch {
		case equalFold(item, "chunked"):
			chunked++
		case equalFold(item, "identity") || len(item) == 0:
		case equalFold(item, "gzip"), equalFold(item, "deflate"), equalFold(item, "compress"):
			other++
		default:
			return errCodingUnknown
		}
	}
	if chunked == 1 && other > 0 && equalFold(item, "chunked") {
		return errCodingUnknown // well formed, but not decoded here
	}
	return errCoding
}

// connection reads a list of tokens (RFC 9110 section 7.6.1). Only the two
// about persistence concern a server that forwards no fields.
func (r *Request) connection(list []byte) {
	r.conn.close = r.conn.close || HasItem(list, "close")
	r.conn.keepAlive = r.conn.keepAlive || HasItem(list, "keep-alive")
}

// HasItem reports whether a list has an item, which is given in lower case.
func HasItem(list []byte, item string) bool {
	var next []byte
	for len(list) > 0 {
		if next, list = nextItem(list); equalFold(next, item) {
			return true
		}
	}
	return false
}

// expect accepts the only expectation there is (RFC 9110 section 10.1.1).
func (r *Request) expect(v []byte) *Error {
	if !equalFold(v, "100-continue") {
		return errExpect
	}
	r.Expect100 = true
	return nil
}

// finish checks what only the whole head can tell.
func (r *Request) finish() *Error {
	if r.has.coding {
		switch {
		case r.Minor == 0:
			return errCodingVersion // RFC 9112 section 6.1
		case r.has.contentLength:
			return errLengthCoding // RFC 9112 section 6.3
		}
		r.Chunked, r.ContentLength = true, -1
	}
	if r.Minor == 1 && !r.has.host {
		return errHostMissing // RFC 9112 section 3.2
	}
	r.KeepAlive = !r.conn.close && (r.Minor == 1 || r.conn.keepAlive)
	r.Expect100 = r.Expect100 && r.Minor == 1 && r.ContentLength != 0
	return nil
}
