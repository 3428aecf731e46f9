package http1

// Error is a verdict on what a client sent: the status to answer with, and a
// one-line reason for the client and the log. After one the connection cannot
// be used again, as it is unknown where the next request would begin.
type Error struct {
	Status int
	Reason string
	// Malformed says that HTTP/2 resets the stream for it instead of answering
	// (RFC 9113 section 8.1.1). The rest is what this server, not HTTP, refuses.
	Malformed bool
}

func refusal(status int, reason string) *Error { return &Error{Status: status, Reason: reason} }

func malformed(reason string) *Error {
	return &Error{Status: 400, Reason: reason, Malformed: true}
}

func (e *Error) Error() string { return e.Reason }

// Every verdict is declared here, so that refusing costs no allocation.
var (
	errBareLF      = refusal(400, "line ended by LF without CR")
	errEmptyLine   = refusal(400, "empty request line")
	errRequestLine = refusal(400, "request line is not method, target and version")
	errMethod      = refusal(400, "invalid method")
	errVersion     = refusal(400, "invalid HTTP version")
	errTarget      = malformed("invalid request target")
	errTargetByte  = malformed("invalid character in request target")
	errFragment    = malformed("fragment in request target")
	errAsterisk    = malformed("target * is for OPTIONS only")
	errAuthority   = refusal(400, "invalid host in request target")

	errFold          = refusal(400, "folded or indented field line")
	errNoColon       = refusal(400, "field line without colon")
	errEmptyName     = malformed("empty field name")
	errSpaceColon    = refusal(400, "white space before the colon of a field")
	errName          = malformed("invalid character in field name")
	errValue         = malformed("control character in field value")
	errUnderscore    = refusal(400, "underscore in field name")
	errHostMissing   = malformed("missing Host")
	errHostRepeated  = malformed("repeated Host")
	errHost          = malformed("invalid Host")
	errTypeRepeated  = refusal(400, "repeated Content-Type")
	errLength        = malformed("invalid Content-Length")
	errLengthHuge    = malformed("Content-Length out of range")
	errLengthTwice   = malformed("repeated Content-Length")
	errLengthCoding  = refusal(400, "both Content-Length and Transfer-Encoding")
	errCoding        = refusal(400, "Transfer-Encoding must be chunked, once")
	errCodingVersion = refusal(400, "Transfer-Encoding in HTTP/1.0")

	errPseudo          = malformed("unknown, repeated or misplaced pseudo-field")
	errPseudoMissing   = malformed("missing :method, :scheme or :path")
	errScheme          = malformed("invalid :scheme")
	errHostDiffers     = malformed("Host is not :authority")
	errUpperCase       = malformed("upper case in a field name")
	errValueSpace      = malformed("white space around a field value")
	errConnectionField = malformed("a field that speaks of the connection")
	errTE              = malformed("TE must be trailers")
	errLengthBody      = malformed("the body is not as long as its Content-Length")

	errChunkSize    = refusal(400, "invalid chunk size")
	errChunkHuge    = refusal(400, "chunk size out of range")
	errChunkExt     = refusal(400, "invalid chunk extension")
	errChunkLine    = refusal(400, "chunk size line too long")
	errChunkLineEnd = refusal(400, "CR without LF in chunk size line")
	errChunkPadding = refusal(400, "too much framing for the data in chunks")
	errChunkEnd     = refusal(400, "chunk data not ended by CRLF")

	errLineLong      = refusal(414, "request line too long")
	errExpect        = refusal(417, "unknown expectation")
	errFieldLong     = refusal(431, "field line too long")
	errFieldsMany    = refusal(431, "too many fields")
	errHeadLong      = refusal(431, "request head too long")
	errTrailersLong  = refusal(431, "trailers too long")
	errCodingUnknown = refusal(501, "unsupported transfer coding")
	errConnect       = refusal(501, "CONNECT is not supported")
	errMajor         = refusal(505, "only HTTP/1.0 and HTTP/1.1 are spoken here")
)
