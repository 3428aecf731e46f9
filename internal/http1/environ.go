package http1

import "bytes"

// environByte maps a byte of a field name to that of its environ key.
var environByte = func() (t [256]byte) {
	for c := range t {
		t[c] = byte(c)
	}
	for c := 'a'; c <= 'z'; c++ {
		t[c] = byte(c) - 'a' + 'A'
	}
	t['-'] = '_'
	return t
}()

// EnvironByte is what a byte of a field name is in an environ key.
func EnvironByte(c byte) byte { return environByte[c] }

// EnvironName appends the WSGI environ key of a field: HTTP_ACCEPT_LANGUAGE,
// but CONTENT_TYPE and CONTENT_LENGTH (PEP 3333, RFC 3875 section 4.1).
func EnvironName(dst, name []byte) []byte {
	if k := KindOf(name); k != KindContentType && k != KindContentLength {
		dst = append(dst, "HTTP_"...)
	}
	start := len(dst)
	dst = append(dst, name...)
	for i, c := range dst[start:] {
		dst[start+i] = environByte[c]
	}
	return dst
}

// AppendUnescaped appends a path with its percent-encoding undone, for
// PATH_INFO. What is no escape stays as it is, as in urllib.parse.unquote_to_bytes.
func AppendUnescaped(dst, path []byte) []byte {
	for {
		i := bytes.IndexByte(path, '%')
		if i < 0 {
			return append(dst, path...)
		}
		dst = append(dst, path[:i]...)
		path = path[i:]
		if b, ok := escape(path); ok {
			dst, path = append(dst, b), path[3:]
		} else {
			dst, path = append(dst, '%'), path[1:]
		}
	}
}

// escape decodes the three bytes of an escape at the start of s.
func escape(s []byte) (b byte, ok bool) {
	if len(s) < 3 {
		return 0, false
	}
	high, ok1 := hexDigit(s[1])
	low, ok2 := hexDigit(s[2])
	return high<<4 | low, ok1 && ok2
}

func hexDigit(c byte) (digit byte, ok bool) {
	switch {
	case isDigit(c):
		return c - '0', true
	case 'a' <= lower[c] && lower[c] <= 'f':
		return lower[c] - 'a' + 10, true
	}
	return 0, false
}
