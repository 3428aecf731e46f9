package http1

// Error is a verdict on what a client sent: the status to answer with, and a
// one-line reason for the client and the log. After one the connection cannot
// be used again, as it is unknown where the next request would begin.
type Error struct {
	Status int
	Reason string
}

func (e *Error) Error() string { return e.Reason }

// Every verdict is declared here, so that refusing costs no allocation.
var (
	errBareLF      = &Error{400, "line ended by LF without CR"}
	errEmptyLine   = &Error{400, "empty request line"}
	errRequestLine = &Error{400, "request line is not method, target and version"}
	errMethod      = &Error{400, "invalid method"}
	errVersion     = &Error{400, "invalid HTTP version"}
	errTarget      = &Error{400, "invalid request target"}
	errTargetByte  = &Error{400, "invalid character in request target"}
	errFragment    = &Error{400, "fragment in request target"}
	errAsterisk    = &Error{400, "target * is for OPTIONS only"}
	errAuthority   = &Error{400, "invalid host in request target"}

	errFold          = &Error{400, "folded or indented field line"}
	errNoColon       = &Error{400, "field line without colon"}
	errEmptyName     = &Error{400, "empty field name"}
	errSpaceColon    = &Error{400, "white space before the colon of a field"}
	errName          = &Error{400, "invalid character in field name"}
	errValue         = &Error{400, "control character in field value"}
	errUnderscore    = &Error{400, "underscore in field name"}
	errHostMissing   = &Error{400, "missing Host"}
	errHostRepeated  = &Error{400, "repeated Host"}
	errHost          = &Error{400, "invalid Host"}
	errTypeRepeated  = &Error{400, "repeated Content-Type"}
	errLength        = &Error{400, "invalid Content-Length"}
	errLengthHuge    = &Error{400, "Content-Length out of range"}
	errLengthTwice   = &Error{400, "repeated Content-Length"}
	errLengthCoding  = &Error{400, "both Content-Length and Transfer-Encoding"}
	errCoding        = &Error{400, "Transfer-Encoding must be chunked, once"}
	errCodingVersion = &Error{400, "Transfer-Encoding in HTTP/1.0"}
	errTrailerField  = &Error{400, "Trailer names a field that may not be a trailer"}

	errChunkSize    = &Error{400, "invalid chunk size"}
	errChunkHuge    = &Error{400, "chunk size out of range"}
	errChunkExt     = &Error{400, "invalid chunk extension"}
	errChunkLine    = &Error{400, "chunk size line too long"}
	errChunkLineEnd = &Error{400, "CR without LF in chunk size line"}
	errChunkPadding = &Error{400, "too much framing for the data in chunks"}
	errChunkEnd     = &Error{400, "chunk data not ended by CRLF"}
	errTrailer      = &Error{400, "field not allowed in trailers"}

	errLineLong      = &Error{414, "request line too long"}
	errExpect        = &Error{417, "unknown expectation"}
	errFieldLong     = &Error{431, "field line too long"}
	errFieldsMany    = &Error{431, "too many fields"}
	errHeadLong      = &Error{431, "request head too long"}
	errTrailersLong  = &Error{431, "trailers too long"}
	errCodingUnknown = &Error{501, "unsupported transfer coding"}
	errConnect       = &Error{501, "CONNECT is not supported"}
	errMajor         = &Error{505, "only HTTP/1.0 and HTTP/1.1 are spoken here"}
)
