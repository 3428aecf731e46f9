package http1

// Limits bound a request head, with gunicorn's names, defaults and reading of
// zero. They belong to a listener or peer and are not changed while in use.
type Limits struct {
	// RequestLine is limit_request_line: the bytes of the request line without
	// its CRLF. 0 means no limit, which here is 64 KiB; a negative number or
	// one above 8190 means 8190.
	RequestLine int
	// Fields is limit_request_fields: the number of field lines, dropped ones
	// included. 0, a negative number or one above 32768 means 32768.
	Fields int
	// FieldSize is limit_request_field_size: the bytes of one field line with
	// its CRLF. 0 or a negative number means 8190.
	FieldSize int

	// Connect allows HTTP/2's extended CONNECT (RFC 8441), by which a stream
	// becomes something else, such as a WebSocket. It must have been offered.
	Connect bool

	// Underscores is header_map: what becomes of names with an underscore,
	// which WSGI cannot tell from the same name with a hyphen.
	Underscores Underscores
	// Forwarder is forwarder_headers: names that are kept whatever Underscores
	// says, in any case. Set it only for peers that are trusted.
	Forwarder []string
}

// Underscores says what becomes of a field whose name has an underscore.
type Underscores uint8

const (
	DropUnderscores   Underscores = iota // as if it had not been sent
	RefuseUnderscores                    // 400
	KeepUnderscores                      // gunicorn's "dangerous"
)

// DefaultLimits returns gunicorn's defaults.
func DefaultLimits() Limits {
	return Limits{RequestLine: 4094, Fields: 100, FieldSize: 8190}
}

// MaxHead bounds a request head whatever the limits say: no further line is
// begun after so many bytes. It lies above what gunicorn's defaults allow (100 fields of
// 8190 bytes).
const MaxHead = 1 << 20

const (
	maxRequestLine  = 8190
	hugeRequestLine = 64 << 10
	maxFields       = 32768
	maxFieldSize    = 8190
)

func (l *Limits) requestLine() int {
	switch {
	case l.RequestLine == 0:
		return hugeRequestLine
	case l.RequestLine < 0 || l.RequestLine > maxRequestLine:
		return maxRequestLine
	}
	return l.RequestLine
}

func (l *Limits) fields() int {
	if l.Fields <= 0 || l.Fields > maxFields {
		return maxFields
	}
	return l.Fields
}

func (l *Limits) fieldSize() int {
	if l.FieldSize <= 0 {
		return maxFieldSize
	}
	return l.FieldSize
}

// underscore decides on a field whose name has one: whether it is kept.
func (l *Limits) underscore(name []byte) (keep bool, err *Error) {
	for _, allowed := range l.Forwarder {
		if equalFold(name, allowed) {
			return true, nil
		}
	}
	if l.Underscores == RefuseUnderscores {
		return false, errUnderscore
	}
	return l.Underscores == KeepUnderscores, nil
}
