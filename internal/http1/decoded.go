package http1

// Add takes the next field of a head that comes decoded and field by field, as
// HTTP/2's does: pseudo-fields first (RFC 9113 section 8.3). The rules are those
// of Parse, with names in lower case and nothing that speaks of a connection.
// The request keeps slices of name and value.
//
// After the last field comes End; before the first, Reset. After a verdict the
// request has what was read before, for the log.
func (r *Request) Add(name, value []byte, l *Limits) *Error {
	if len(name) > 0 && name[0] == ':' {
		return r.pseudo(name, value, l)
	}
	r.stage = inFields
	r.lines++
	size := len(name) + len(": ") + len(value) + len("\r\n")
	if r.pos += size; r.lines > l.fields() {
		return errFieldsMany
	} else if size > l.fieldSize() {
		return errFieldLong
	} else if r.pos > MaxHead {
		return errHeadLong
	}
	classes, err := decodedName(name)
	if err != nil {
		return err
	}
	f := Field{Name: name, Value: value, Kind: KindOf(name)}
	if len(trimOWS(value)) != len(value) {
		return errValueSpace // RFC 9113 section 8.2.1
	}
	if keep, err := f.allowed(classes, l); !keep {
		return err
	}
	keep, err := r.decoded(&f)
	if keep {
		r.Fields = append(r.Fields, f)
	}
	return err
}

// decodedName checks a name, and returns the classes of its bytes.
func decodedName(name []byte) (classes uint8, err *Error) {
	for _, c := range name {
		if class[c]&isToken == 0 {
			return 0, errName
		}
		if lower[c] != c {
			return 0, errUpperCase
		}
		classes |= class[c]
	}
	if len(name) == 0 {
		return 0, errEmptyName
	}
	return classes, nil
}

// decoded acts on a field that means something to a server.
func (r *Request) decoded(f *Field) (keep bool, err *Error) {
	switch f.Kind {
	case KindOther:
	case KindConnection, KindKeepAlive, KindProxyConnection, KindTransferEncoding, KindUpgrade:
		return false, errConnectionField // RFC 9113 section 8.2.2
	case KindTE:
		if !equalFold(f.Value, "trailers") {
			return false, errTE
		}
	case KindHost:
		return r.besideAuthority(f.Value)
	default:
		err = r.known(f)
	}
	return err == nil, err
}

// besideAuthority takes a Host field. It says what :authority says or stands in
// its place (RFC 9113 section 8.3.1).
func (r *Request) besideAuthority(v []byte) (keep bool, err *Error) {
	if r.has.absolute {
		if !equalFold(v, string(r.Host)) {
			return false, errHostDiffers
		}
		return false, nil
	}
	if len(v) == 0 {
		return false, errHost
	}
	err = r.hostField(v)
	return err == nil, err
}

// pseudo takes a pseudo-field: each of them once, before all others.
func (r *Request) pseudo(name, value []byte, l *Limits) *Error {
	if r.stage == inFields {
		return errPseudo
	}
	r.pos += len(name) + len(value)
	switch string(name) {
	case ":method":
		return r.once(&r.has.method, &r.Method, value)
	case ":path":
		return r.once(&r.has.path, &r.Target, value)
	case ":protocol":
		if !l.Connect {
			return errPseudo
		}
		return r.once(&r.has.protocol, &r.Protocol, value)
	case ":scheme":
		if !equalFold(value, "https") && !equalFold(value, "http") {
			return errScheme
		}
		return r.once(&r.has.scheme, nil, value)
	case ":authority":
		if !validHost(value) {
			return errHost
		}
		if err := r.once(&r.has.absolute, &r.Host, value); err != nil {
			return err
		}
		r.has.host = true
		r.Fields = append(r.Fields, Field{Name: hostName, Value: value, Kind: KindHost})
		return nil
	}
	return errPseudo
}

var hostName = []byte("host")

func (r *Request) once(seen *bool, to *[]byte, value []byte) *Error {
	if *seen {
		return errPseudo
	}
	*seen = true
	if to != nil {
		*to = value
	}
	return nil
}

// End ends a head that came by Add. ends says that the stream ends with it: there
// is no body.
func (r *Request) End(ends bool, l *Limits) *Error {
	r.Minor = 1 // what answers it may know
	connect := string(r.Method) == "CONNECT" && !r.has.protocol
	switch {
	case r.has.protocol && (string(r.Method) != "CONNECT" || len(r.Protocol) == 0):
		return errPseudo // RFC 8441 section 4
	case !r.has.method || !connect && !(r.has.scheme && r.has.path):
		return errPseudoMissing
	case len(r.Method)+len(r.Target)+len("  ")+len(version) > l.requestLine():
		return errLineLong
	case !validMethod(r.Method):
		return errMethod
	case connect:
		return errConnect
	case len(r.Target) == 0 || r.Target[0] != '/' && string(r.Target) != "*":
		return errTarget // an absolute form too: what is served is told by :authority
	}
	if err := r.targetBytes(); err != nil {
		return err
	}
	if err := r.pathForm(); err != nil {
		return err
	}
	r.has.coding = !ends && !r.has.contentLength // only the end of the stream will tell its length
	if err := r.finish(); err != nil {
		return err
	}
	return r.Received(0, ends)
}

// Received judges a decoded body of which n bytes have come; ended: it has no
// more (RFC 9113 section 8.1.1).
func (r *Request) Received(n int64, ended bool) *Error {
	if r.Chunked {
		return nil
	}
	if n > r.ContentLength || ended && n < r.ContentLength {
		return errLengthBody
	}
	return nil
}

// Trailers judges trailers that come decoded. They are dropped, as those of a
// chunked body are.
type Trailers struct{ fields, size int }

// Add judges the next one.
func (t *Trailers) Add(name, value []byte) *Error {
	t.fields++
	t.size += len(name) + len(value)
	if t.fields > maxTrailerFields || t.size > maxTrailers {
		return errTrailersLong
	}
	if len(name) > 0 && name[0] == ':' {
		return errPseudo
	}
	if _, err := decodedName(name); err != nil {
		return err
	}
	switch KindOf(name) {
	case KindConnection, KindKeepAlive, KindProxyConnection, KindTransferEncoding, KindUpgrade:
		return errConnectionField
	}
	if len(trimOWS(value)) != len(value) {
		return errValueSpace
	}
	if hasControl(value) {
		return errValue
	}
	return nil
}
