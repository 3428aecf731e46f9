package http1

import "strconv"

// AppendStatusLine appends "HTTP/1.minor status CRLF". The status has code and
// reason, as an application gives it: "200 OK"; StatusCode checks it.
func AppendStatusLine[T bytestring](dst []byte, minor int, status T) []byte {
	if minor == 0 {
		dst = append(dst, "HTTP/1.0 "...)
	} else {
		dst = append(dst, "HTTP/1.1 "...)
	}
	dst = append(dst, status...)
	return append(dst, "\r\n"...)
}

// AppendField appends one field line. The caller has checked an application's
// names and values with ValidFieldName and ValidFieldValue.
func AppendField[N, V bytestring](dst []byte, name N, value V) []byte {
	dst = append(dst, name...)
	dst = append(dst, ": "...)
	dst = append(dst, value...)
	return append(dst, "\r\n"...)
}

// AppendContentLength appends the Content-Length field.
func AppendContentLength(dst []byte, n int64) []byte {
	dst = append(dst, "Content-Length: "...)
	dst = strconv.AppendInt(dst, n, 10)
	return append(dst, "\r\n"...)
}

// AppendEndOfHead appends the empty line that ends a head.
func AppendEndOfHead(dst []byte) []byte { return append(dst, "\r\n"...) }

// AppendChunk appends data as one chunk; nothing if there is none, as an empty
// chunk would end the body.
func AppendChunk(dst, data []byte) []byte {
	if len(data) == 0 {
		return dst
	}
	dst = AppendChunkSize(dst, len(data))
	dst = append(dst, data...)
	return append(dst, "\r\n"...)
}

// AppendChunkSize appends the line before a chunk's data of n > 0 bytes, for
// writers that send the data from where it lies. CRLF must follow the data.
func AppendChunkSize(dst []byte, n int) []byte {
	dst = strconv.AppendUint(dst, uint64(n), 16)
	return append(dst, "\r\n"...)
}

// AppendLastChunk ends a chunked body.
func AppendLastChunk(dst []byte) []byte { return append(dst, "0\r\n\r\n"...) }

// AppendContinue appends the interim response 100 Continue.
func AppendContinue(dst []byte) []byte { return append(dst, "HTTP/1.1 100 Continue\r\n\r\n"...) }

// StatusText returns the reason phrase of a status that the server itself
// sends, "" of others (an empty phrase is well formed, RFC 9112 section 4).
func StatusText(status int) string {
	switch status {
	case 200:
		return "OK"
	case 400:
		return "Bad Request"
	case 403:
		return "Forbidden"
	case 404:
		return "Not Found"
	case 408:
		return "Request Timeout"
	case 413:
		return "Content Too Large"
	case 414:
		return "URI Too Long"
	case 417:
		return "Expectation Failed"
	case 429:
		return "Too Many Requests"
	case 431:
		return "Request Header Fields Too Large"
	case 500:
		return "Internal Server Error"
	case 501:
		return "Not Implemented"
	case 502:
		return "Bad Gateway"
	case 503:
		return "Service Unavailable"
	case 504:
		return "Gateway Timeout"
	case 505:
		return "HTTP Version Not Supported"
	case 507:
		return "Insufficient Storage"
	}
	return ""
}

// StatusCode reads an application's status, "200 OK": three digits from 100 to
// 999, then nothing or a space and a phrase without control characters.
func StatusCode[T bytestring](status T) (code int, ok bool) {
	if len(status) < 3 {
		return 0, false
	}
	for i := range 3 {
		if !isDigit(status[i]) {
			return 0, false
		}
		code = code*10 + int(status[i]-'0')
	}
	if code < 100 || len(status) > 3 && status[3] != ' ' || anyControl(status) {
		return 0, false
	}
	return code, true
}

// ValidFieldName reports whether b is a token (RFC 9110 section 5.1).
func ValidFieldName[T bytestring](b T) bool {
	for i := range len(b) {
		if class[b[i]]&isToken == 0 {
			return false
		}
	}
	return len(b) > 0
}

// ValidFieldValue reports whether b is free of control characters but HTAB
// (RFC 9110 section 5.5), so that it cannot end its line.
func ValidFieldValue[T bytestring](b T) bool { return !anyControl(b) }
