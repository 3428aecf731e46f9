package http1

import "bytes"

const version = "HTTP/1.1"

// requestLine reads "method SP request-target SP HTTP-version" (RFC 9112
// section 3). Exactly one space stands between them: section 3 lets a reader be
// lenient about white space and warns that this is how smuggling works.
func (r *Request) requestLine(line []byte) *Error {
	first, last := bytes.IndexByte(line, ' '), len(line)-len(version)-1
	if first < 0 || first >= last || line[last] != ' ' {
		return errRequestLine
	}
	r.Method, r.Target = line[:first], line[first+1:last]
	if err := r.httpVersion(line[last+1:]); err != nil {
		return err
	}
	if !validMethod(r.Method) {
		return errMethod
	}
	return r.target()
}

// httpVersion reads the eight bytes of "HTTP/" DIGIT "." DIGIT. Another major
// version is 505 (RFC 9110 section 15.6.6); minors above 1 are HTTP/1.1 to us
// (section 2.5), as they are to gunicorn.
func (r *Request) httpVersion(v []byte) *Error {
	if string(v) == version {
		r.Minor = 1
		return nil
	}
	if string(v[:5]) != "HTTP/" || !isDigit(v[5]) || v[6] != '.' || !isDigit(v[7]) {
		return errVersion
	}
	if v[5] != '1' {
		return errMajor
	}
	r.Minor = min(int(v[7]-'0'), 1)
	return nil
}

// validMethod is gunicorn's rule: a token of 3 to 20 bytes without lower case
// or #, which fits every registered method.
func validMethod(m []byte) bool {
	for _, c := range m {
		if class[c]&isMethod == 0 {
			return false
		}
	}
	return 3 <= len(m) && len(m) <= 20
}

// target splits the request target by its form (RFC 9112 section 3.2). Bytes
// outside of printable ASCII and fragments are refused; printable ones that
// RFC 3986 excludes, such as | and ", are not, as browsers send them.
func (r *Request) target() *Error {
	if err := r.targetBytes(); err != nil {
		return err
	}
	switch {
	case string(r.Method) == "CONNECT":
		// An origin server has no tunnel to offer (RFC 9110 section 9.3.6).
		return errConnect
	case len(r.Target) == 0:
		return errTarget
	case r.Target[0] == '/' || string(r.Target) == "*":
		return r.pathForm()
	}
	return r.absoluteForm()
}

func (r *Request) targetBytes() *Error {
	for _, c := range r.Target {
		if class[c]&isTarget == 0 {
			return errTargetByte
		}
	}
	if bytes.IndexByte(r.Target, '#') >= 0 {
		return errFragment
	}
	return nil
}

// pathForm reads a path with or without a query, or *, which is for OPTIONS.
func (r *Request) pathForm() *Error {
	if r.Target[0] == '/' {
		r.Path, r.Query = splitQuery(r.Target)
		return nil
	}
	if string(r.Method) != "OPTIONS" {
		return errAsterisk
	}
	r.Path = r.Target
	return nil
}

// absoluteForm reads scheme "://" authority path [ "?" query ] (RFC 9112
// section 3.2.2), for the schemes http and https.
func (r *Request) absoluteForm() *Error {
	colon := bytes.Index(r.Target, []byte("://"))
	if colon < 0 || !equalFold(r.Target[:colon], "http") && !equalFold(r.Target[:colon], "https") {
		return errTarget
	}
	rest := r.Target[colon+len("://"):]
	end := bytes.IndexAny(rest, "/?")
	if end < 0 {
		end = len(rest)
	}
	if end == 0 || !validHost(rest[:end]) {
		return errAuthority
	}
	r.Host, r.has.absolute = rest[:end], true
	r.Path, r.Query = splitQuery(rest[end:])
	if len(r.Path) == 0 {
		r.Path = r.emptyPath()
	}
	return nil
}

var (
	rootPath     = []byte("/")
	asteriskPath = []byte("*")
)

// emptyPath stands for the path of "http://host": that of the root, and for
// OPTIONS the server as a whole (RFC 9112 section 3.2.4).
func (r *Request) emptyPath() []byte {
	if string(r.Method) == "OPTIONS" && len(r.Query) == 0 {
		return asteriskPath
	}
	return rootPath
}

func splitQuery(target []byte) (path, query []byte) {
	if i := bytes.IndexByte(target, '?'); i >= 0 {
		return target[:i], target[i+1:]
	}
	return target, nil
}
