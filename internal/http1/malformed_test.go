package http1

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
)

// refused is one entry of the corpus: bytes in, verdict out. Every entry is
// also fed byte by byte, and must get the same verdict.
type refused struct {
	name string
	in   string
	want *Error
	why  string // where it says so, or what would go wrong
}

// Heads are written whole where the line or the target is at fault.
var malformedLines = []refused{
	{"empty line twice", "\r\n\r\nGET / HTTP/1.1\r\nHost: x\r\n\r\n", errEmptyLine, "9112 2.2 skips at least one; gunicorn one"},
	{"empty line by LF", "\nGET / HTTP/1.1\r\nHost: x\r\n\r\n", errEmptyLine, "9112 2.2 skips CRLF only"},
	{"CR before the line", "\rGET / HTTP/1.1\r\nHost: x\r\n\r\n", errMethod, "9112 2.2 bare CR"},
	{"CR CR LF before the line", "\r\r\nGET / HTTP/1.1\r\nHost: x\r\n\r\n", errMethod, "9112 2.2 bare CR"},
	{"CRLF then bare CR", "\r\n\rGET / HTTP/1.1\r\nHost: x\r\n\r\n", errEmptyLine, "9112 2.2 bare CR"},
	{"space before the method", " GET / HTTP/1.1\r\nHost: x\r\n\r\n", errMethod, "9112 3"},
	{"tab before the method", "\tGET / HTTP/1.1\r\nHost: x\r\n\r\n", errMethod, "9112 3"},
	{"NUL before the method", "\x00GET / HTTP/1.1\r\nHost: x\r\n\r\n", errMethod, "9110 9.1 token"},
	{"UTF-8 byte order mark", "\xef\xbb\xbfGET / HTTP/1.1\r\nHost: x\r\n\r\n", errMethod, "9110 9.1 token"},
	{"TLS handshake", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", errMethod, "refused at the first byte, without an end of line"},
	{"TLS 2.0 hello", "\x80\x2e\x01\x00\x02\x00\x15", errMethod, "refused at the first byte"},
	{"a field first", "Host: x\r\nGET / HTTP/1.1\r\n\r\n", errRequestLine, "9112 3"},
	{"a status line", "HTTP/1.1 200 OK\r\nHost: x\r\n\r\n", errRequestLine, "9112 3"},
	{"method only", "GET\r\n\r\n", errRequestLine, "9112 3"},
	{"method and space", "GET \r\n\r\n", errRequestLine, "9112 3"},
	{"HTTP/0.9", "GET /\r\n", errRequestLine, "9112 3: no version"},
	{"HTTP/0.9, long target", "GET /a/long/enough/target\r\n", errRequestLine, "9112 3: no version"},
	{"no target", "GET HTTP/1.1\r\nHost: x\r\n\r\n", errRequestLine, "9112 3"},
	{"no target, long method", "PROPPATCH HTTP/1.1\r\nHost: x\r\n\r\n", errRequestLine, "9112 3"},
	{"empty target", "PROPFIND  HTTP/1.1\r\nHost: x\r\n\r\n", errTarget, "9112 3.2"},
	{"empty target, short", "GET  HTTP/1.1\r\nHost: x\r\n\r\n", errTarget, "9112 3.2"},
	{"two spaces before the target", "GET  / HTTP/1.1\r\nHost: x\r\n\r\n", errTargetByte, "9112 3: single SP"},
	{"two spaces after the target", "GET /  HTTP/1.1\r\nHost: x\r\n\r\n", errTargetByte, "9112 3: single SP"},
	{"tab before the target", "GET\t/ HTTP/1.1\r\nHost: x\r\n\r\n", errRequestLine, "9112 3: SP only"},
	{"tab before the version", "GET /\tHTTP/1.1\r\nHost: x\r\n\r\n", errRequestLine, "9112 3: SP only"},
	{"tabs only", "GET\t/index.html\tHTTP/1.1\r\nHost: x\r\n\r\n", errRequestLine, "9112 3: SP only"},
	{"form feed for a space", "GET\x0c/ HTTP/1.1\r\nHost: x\r\n\r\n", errRequestLine, "9112 3: SP only"},
	{"vertical tab for a space", "GET /\x0bHTTP/1.1\r\nHost: x\r\n\r\n", errRequestLine, "9112 3: SP only"},
	{"CR for a space", "GET /\rHTTP/1.1\r\nHost: x\r\n\r\n", errRequestLine, "9112 2.2 bare CR"},
	{"space after the version", "GET / HTTP/1.1 \r\nHost: x\r\n\r\n", errRequestLine, "9112 3"},
	{"CR after the version", "GET / HTTP/1.1\r\r\nHost: x\r\n\r\n", errRequestLine, "9112 2.2 bare CR"},
	{"fourth part", "GET / HTTP/1.1 x\r\nHost: x\r\n\r\n", errRequestLine, "9112 3"},
	{"fourth part looks like a version", "GET / HTTP/1.1 HTTP/1.1\r\nHost: x\r\n\r\n", errTargetByte, "9112 3: no space in a target"},
	{"bare LF after the request line", "GET / HTTP/1.1\nHost: x\r\n\r\n", errBareLF, "9112 2.2; the MAY is not taken"},
	{"bare LF everywhere", "GET / HTTP/1.1\nHost: x\n\n", errBareLF, "refused at once, not waited on"},
	{"LF CR", "GET / HTTP/1.1\n\rHost: x\n\r\n\r", errBareLF, "9112 2.2"},

	{"lower-case method", "get / HTTP/1.1\r\nHost: x\r\n\r\n", errMethod, "gunicorn's rule"},
	{"mixed-case method", "GEt / HTTP/1.1\r\nHost: x\r\n\r\n", errMethod, "gunicorn's rule"},
	{"method of two letters", "GO / HTTP/1.1\r\nHost: x\r\n\r\n", errMethod, "gunicorn's rule: 3 to 20"},
	{"method of 21 letters", "ABCDEFGHIJKLMNOPQRSTU / HTTP/1.1\r\nHost: x\r\n\r\n", errMethod, "gunicorn's rule: 3 to 20"},
	{"method with #", "GE# / HTTP/1.1\r\nHost: x\r\n\r\n", errMethod, "gunicorn's rule"},
	{"method with a slash", "GE/T / HTTP/1.1\r\nHost: x\r\n\r\n", errMethod, "9110 9.1 token"},
	{"method with a colon", "GET: / HTTP/1.1\r\nHost: x\r\n\r\n", errMethod, "9110 9.1 token"},
	{"method in quotes", "\"GET\" / HTTP/1.1\r\nHost: x\r\n\r\n", errMethod, "9110 9.1 token"},
	{"method in brackets", "G[E]T / HTTP/1.1\r\nHost: x\r\n\r\n", errMethod, "9110 9.1 token"},
	{"method with NUL", "G\x00ET / HTTP/1.1\r\nHost: x\r\n\r\n", errMethod, "9110 9.1 token"},
	{"method with DEL", "GET\x7f / HTTP/1.1\r\nHost: x\r\n\r\n", errMethod, "9110 9.1 token"},
	{"method with latin-1", "G\xcbT / HTTP/1.1\r\nHost: x\r\n\r\n", errMethod, "9110 9.1 token"},
	{"empty method", " / HTTP/1.1\r\nHost: x\r\n\r\n", errMethod, "9112 3"},
	{"CONNECT, authority-form", "CONNECT example.org:443 HTTP/1.1\r\nHost: example.org:443\r\n\r\n", errConnect, "9110 9.3.6: no tunnels here"},
	{"CONNECT, origin-form", "CONNECT / HTTP/1.1\r\nHost: x\r\n\r\n", errConnect, "9112 3.2.3"},

	{"HTTP/2 preface", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", errMajor, "9110 15.6.6; 9113 3.4 on a cleartext port"},
	{"HTTP/2.0", "GET / HTTP/2.0\r\nHost: x\r\n\r\n", errMajor, "9110 15.6.6"},
	{"HTTP/3.0", "GET / HTTP/3.0\r\nHost: x\r\n\r\n", errMajor, "9110 15.6.6"},
	{"HTTP/0.9 written out", "GET / HTTP/0.9\r\nHost: x\r\n\r\n", errMajor, "9110 15.6.6"},
	{"HTTP/9.9", "GET / HTTP/9.9\r\nHost: x\r\n\r\n", errMajor, "9110 15.6.6"},
	{"version in lower case", "GET / http/1.1\r\nHost: x\r\n\r\n", errVersion, "9112 2.3: case-sensitive"},
	{"version in mixed case", "GET / Http/1.1\r\nHost: x\r\n\r\n", errVersion, "9112 2.3"},
	{"version without minor", "GET /abc HTTP/1\r\nHost: x\r\n\r\n", errRequestLine, "9112 2.3"},
	{"version with comma", "GET / HTTP/1,1\r\nHost: x\r\n\r\n", errVersion, "9112 2.3"},
	{"version with two digits", "GET / HTTP/1.10\r\nHost: x\r\n\r\n", errRequestLine, "9112 2.3: one digit each"},
	{"version with leading zero", "GET / HTTP/01.1\r\nHost: x\r\n\r\n", errRequestLine, "9112 2.3"},
	{"version with three parts", "GET / HTTP/1.1.1\r\nHost: x\r\n\r\n", errRequestLine, "9112 2.3"},
	{"version with sign", "GET / HTTP/+1.1\r\nHost: x\r\n\r\n", errRequestLine, "9112 2.3"},
	{"version with letter", "GET / HTTP/1.x\r\nHost: x\r\n\r\n", errVersion, "9112 2.3"},
	{"version with superscript digit", "GET / HTTP/1.\xb9\r\nHost: x\r\n\r\n", errVersion, "latin-1's other digits"},
	{"another protocol", "GET / ICAP/1.0\r\nHost: x\r\n\r\n", errVersion, "9112 2.3"},
	{"HTTPS/1.1", "GET / HTTPS/1.1\r\nHost: x\r\n\r\n", errRequestLine, "9112 2.3"},
	{"version with a space", "GET / HTTP/ 1.1\r\nHost: x\r\n\r\n", errRequestLine, "9112 2.3"},
	{"NUL after the version", "GET / HTTP/1.1\x00\r\nHost: x\r\n\r\n", errRequestLine, "9112 2.3"},

	{"relative target", "GET index.html HTTP/1.1\r\nHost: x\r\n\r\n", errTarget, "9112 3.2"},
	{"query only", "GET ?a=b HTTP/1.1\r\nHost: x\r\n\r\n", errTarget, "9112 3.2.1"},
	{"dot path", "GET ./a HTTP/1.1\r\nHost: x\r\n\r\n", errTarget, "9112 3.2"},
	{"backslash path", "GET \\a HTTP/1.1\r\nHost: x\r\n\r\n", errTarget, "9112 3.2"},
	{"target in angle brackets", "GET </> HTTP/1.1\r\nHost: x\r\n\r\n", errTarget, "9112 3.2"},
	{"space in the target", "GET /a b HTTP/1.1\r\nHost: x\r\n\r\n", errTargetByte, "9112 3.2: no white space"},
	{"NUL in the target", "GET /a\x00b HTTP/1.1\r\nHost: x\r\n\r\n", errTargetByte, "3986 2"},
	{"tab in the target", "GET /a\tb HTTP/1.1\r\nHost: x\r\n\r\n", errTargetByte, "3986 2"},
	{"CR in the target", "GET /a\rb HTTP/1.1\r\nHost: x\r\n\r\n", errTargetByte, "9112 2.2 bare CR"},
	{"CR NUL in the target", "GET /a\r\x00 HTTP/1.1\r\nHost: x\r\n\r\n", errTargetByte, "9112 2.2 bare CR"},
	{"DEL in the target", "GET /a\x7f HTTP/1.1\r\nHost: x\r\n\r\n", errTargetByte, "3986 2"},
	{"escape in the target", "GET /\x1b[31m HTTP/1.1\r\nHost: x\r\n\r\n", errTargetByte, "would reach a terminal through the log"},
	{"raw UTF-8 in the path", "GET /caf\xc3\xa9 HTTP/1.1\r\nHost: x\r\n\r\n", errTargetByte, "3986 2.1: must be percent-encoded"},
	{"raw latin-1 in the query", "GET /?q=caf\xe9 HTTP/1.1\r\nHost: x\r\n\r\n", errTargetByte, "3986 2.1"},
	{"non-breaking space in the target", "GET /\xa0 HTTP/1.1\r\nHost: x\r\n\r\n", errTargetByte, "3986 2.1"},
	{"fragment", "GET /a#b HTTP/1.1\r\nHost: x\r\n\r\n", errFragment, "9112 3.2: no fragment in a request"},
	{"fragment in the query", "GET /a?b#c HTTP/1.1\r\nHost: x\r\n\r\n", errFragment, "9112 3.2"},
	{"fragment in an absolute target", "GET http://x/a#b HTTP/1.1\r\nHost: x\r\n\r\n", errFragment, "9112 3.2"},
	{"* for GET", "GET * HTTP/1.1\r\nHost: x\r\n\r\n", errAsterisk, "9112 3.2.4"},
	{"** for OPTIONS", "OPTIONS ** HTTP/1.1\r\nHost: x\r\n\r\n", errTarget, "9112 3.2.4"},
	{"*? for OPTIONS", "OPTIONS *?a HTTP/1.1\r\nHost: x\r\n\r\n", errTarget, "9112 3.2.4"},
	{"authority-form for GET", "GET example.org:80 HTTP/1.1\r\nHost: example.org:80\r\n\r\n", errTarget, "9112 3.2.3: CONNECT only"},
	{"host for GET", "GET example.org HTTP/1.1\r\nHost: example.org\r\n\r\n", errTarget, "9112 3.2"},
	{"scheme without authority", "GET http:/a HTTP/1.1\r\nHost: x\r\n\r\n", errTarget, "9110 4.2.1"},
	{"empty scheme", "GET ://x/a HTTP/1.1\r\nHost: x\r\n\r\n", errTarget, "3986 3.1"},
	{"unknown scheme", "GET ftp://x/a HTTP/1.1\r\nHost: x\r\n\r\n", errTarget, "not ours to serve"},
	{"file URL", "GET file:///etc/passwd HTTP/1.1\r\nHost: x\r\n\r\n", errTarget, "not ours to serve"},
	{"javascript URL", "GET javascript://x/a HTTP/1.1\r\nHost: x\r\n\r\n", errTarget, "not ours to serve"},
	{"scheme inside the path", "GET a/http://x/ HTTP/1.1\r\nHost: x\r\n\r\n", errTarget, "9112 3.2"},
	{"absolute without host", "GET http:///a HTTP/1.1\r\nHost: x\r\n\r\n", errAuthority, "9110 4.2.1: MUST reject"},
	{"absolute with query for host", "GET http://?a HTTP/1.1\r\nHost: x\r\n\r\n", errAuthority, "9110 4.2.1: MUST reject"},
	{"absolute, nothing more", "GET http:// HTTP/1.1\r\nHost: x\r\n\r\n", errAuthority, "9110 4.2.1: MUST reject"},
	{"absolute, port only", "GET http://:80/ HTTP/1.1\r\nHost: x\r\n\r\n", errAuthority, "9110 4.2.1: MUST reject"},
	{"absolute with userinfo", "GET http://admin@x/a HTTP/1.1\r\nHost: x\r\n\r\n", errAuthority, "9110 4.2.4"},
	{"absolute with user and password", "GET http://u:p@x/a HTTP/1.1\r\nHost: x\r\n\r\n", errAuthority, "9110 4.2.4"},
	{"absolute with bad port", "GET http://x:80a/ HTTP/1.1\r\nHost: x\r\n\r\n", errAuthority, "3986 3.2.3"},
	{"absolute with huge port", "GET http://x:65536/ HTTP/1.1\r\nHost: x\r\n\r\n", errAuthority, "no such port"},
	{"absolute with open bracket", "GET http://[::1/ HTTP/1.1\r\nHost: x\r\n\r\n", errAuthority, "3986 3.2.2"},
	{"absolute with backslash in the host", "GET http://x\\@y/ HTTP/1.1\r\nHost: x\r\n\r\n", errAuthority, "browsers read it as a slash"},
	{"absolute with encoded host", "GET http://%78/ HTTP/1.1\r\nHost: x\r\n\r\n", errAuthority, "readers decode it differently"},
	{"absolute without Host field", "GET http://x/ HTTP/1.1\r\n\r\n", errHostMissing, "9112 3.2"},
}

// malformedFields are put between "GET / HTTP/1.1" CRLF and CRLF.
var malformedFields = []refused{
	{"no fields", "", errHostMissing, "9112 3.2"},
	{"no Host", "Accept: */*\r\n", errHostMissing, "9112 3.2"},
	{"Host misspelt with underscore", "Host_: x\r\n", errHostMissing, "9112 3.2"},
	{"Host twice", "Host: x\r\nHost: y\r\n", errHostRepeated, "9112 3.2"},
	{"Host twice, same", "Host: x\r\nHost: x\r\n", errHostRepeated, "9112 3.2"},
	{"Host twice, other case", "Host: x\r\nhOST: x\r\n", errHostRepeated, "9112 3.2; names ignore case"},
	{"Host twice, first empty", "Host:\r\nHost: x\r\n", errHostRepeated, "9112 3.2"},
	{"Host list", "Host: x, y\r\n", errHost, "9110 7.2"},
	{"Host with space", "Host: x y\r\n", errHost, "9110 7.2"},
	{"Host with tab", "Host: x\ty\r\n", errHost, "9110 7.2"},
	{"Host with scheme", "Host: http://x\r\n", errHost, "9110 7.2"},
	{"Host with path", "Host: x/a\r\n", errHost, "9110 7.2"},
	{"Host with query", "Host: x?a\r\n", errHost, "9110 7.2"},
	{"Host with fragment", "Host: x#a\r\n", errHost, "9110 7.2"},
	{"Host with userinfo", "Host: admin@x\r\n", errHost, "9110 4.2.4"},
	{"Host with backslash", "Host: x\\y\r\n", errHost, "3986 3.2.2"},
	{"Host in angle brackets", "Host: <x>\r\n", errHost, "3986 3.2.2"},
	{"Host in quotes", "Host: \"x\"\r\n", errHost, "3986 3.2.2"},
	{"Host with percent", "Host: %78\r\n", errHost, "readers decode it differently"},
	{"Host with raw UTF-8", "Host: caf\xc3\xa9.example\r\n", errHost, "3986 3.2.2"},
	{"Host with two ports", "Host: x:80:80\r\n", errHost, "3986 3.2.3"},
	{"Host with negative port", "Host: x:-1\r\n", errHost, "3986 3.2.3"},
	{"Host with huge port", "Host: x:99999\r\n", errHost, "no such port"},
	{"Host with named port", "Host: x:http\r\n", errHost, "3986 3.2.3"},
	{"Host is a port", "Host: :80\r\n", errHost, "9110 4.2.1"},
	{"Host, IPv6 unbracketed", "Host: ::1\r\n", errHost, "3986 3.2.2"},
	{"Host, IPv6 unclosed", "Host: [::1\r\n", errHost, "3986 3.2.2"},
	{"Host, IPv6 empty", "Host: []\r\n", errHost, "3986 3.2.2"},
	{"Host, IPv6 wrong", "Host: [1:2:3]\r\n", errHost, "3986 3.2.2"},
	{"Host, IPv6 with zone", "Host: [fe80::1%25eth0]\r\n", errHost, "a zone means nothing to another host"},
	{"Host, IPv4 in brackets", "Host: [127.0.0.1]\r\n", errHost, "3986 3.2.2"},
	{"Host, IPvFuture", "Host: [v1.x]\r\n", errHost, "3986 3.2.2 defines none"},
	{"Host, text after bracket", "Host: [::1]x\r\n", errHost, "3986 3.2.2"},

	{"space before colon", "Host : x\r\n", errSpaceColon, "9112 5.1: MUST reject"},
	{"tab before colon", "Host\t: x\r\n", errSpaceColon, "9112 5.1: MUST reject"},
	{"space before colon of Content-Length", "Host: x\r\nContent-Length : 5\r\n", errSpaceColon, "9112 5.1"},
	{"folded value", "Host: x\r\nX-A: b\r\n c\r\n", errFold, "9112 5.2: 400"},
	{"folded by tab", "Host: x\r\nX-A: b\r\n\tc\r\n", errFold, "9112 5.2: 400"},
	{"folded Transfer-Encoding", "Host: x\r\nTransfer-Encoding:\r\n chunked\r\n", errCoding, "9112 5.2: empty before the fold is seen"},
	{"first field indented", " Host: x\r\n", errFold, "9112 2.2"},
	{"line of one space", "Host: x\r\n \r\n", errFold, "9112 2.2"},
	{"no colon", "Host: x\r\nX-A\r\n", errNoColon, "9112 5"},
	{"no colon, space", "Host: x\r\nX-A b\r\n", errName, "9112 5"},
	{"empty name", "Host: x\r\n: b\r\n", errEmptyName, "9110 5.1"},
	{"colon only", "Host: x\r\n:\r\n", errEmptyName, "9110 5.1"},
	{"HTTP/2 pseudo field", ":authority: x\r\nHost: x\r\n", errEmptyName, "9110 5.1"},
	{"request line again", "Host: x\r\nGET / HTTP/1.1\r\n", errName, "9110 5.1"},
	{"name with space", "Host: x\r\nX A: b\r\n", errName, "9110 5.1"},
	{"name in parentheses", "Host: x\r\nX(A): b\r\n", errName, "9110 5.6.2"},
	{"name with slash", "Host: x\r\nX/A: b\r\n", errName, "9110 5.6.2"},
	{"name with at sign", "Host: x\r\nX@A: b\r\n", errName, "9110 5.6.2"},
	{"name with comma", "Host: x\r\nX,A: b\r\n", errName, "9110 5.6.2"},
	{"name with semicolon", "Host: x\r\nX;A: b\r\n", errName, "9110 5.6.2"},
	{"name with equals", "Host: x\r\nX=A: b\r\n", errName, "9110 5.6.2"},
	{"name with quote", "Host: x\r\n\"X\": b\r\n", errName, "9110 5.6.2"},
	{"name with backslash", "Host: x\r\nX\\A: b\r\n", errName, "9110 5.6.2"},
	{"name with brackets", "Host: x\r\nX[0]: b\r\n", errName, "9110 5.6.2"},
	{"name with braces", "Host: x\r\n{X}: b\r\n", errName, "9110 5.6.2"},
	{"name with NUL", "Host: x\r\nX\x00A: b\r\n", errName, "9110 5.6.2"},
	{"name with DEL", "Host: x\r\nX\x7f: b\r\n", errName, "9110 5.6.2"},
	{"name with CR", "Host: x\r\nX\rA: b\r\n", errName, "9112 2.2 bare CR"},
	{"name with latin-1", "Host: x\r\nCaf\xe9: b\r\n", errName, "9110 5.6.2"},
	{"name with sharp s", "Host: x\r\nX-\xdf: b\r\n", errName, "case folding would make it SS"},
	{"name with UTF-8", "Host: x\r\nX-\xe2\x84\xaa: b\r\n", errName, "case folding would make it k"},
	{"non-breaking space before colon", "Host: x\r\nX\xa0: b\r\n", errName, "9110 5.6.2"},
	{"vertical tab before colon", "Host: x\r\nContent-Length\x0b: 5\r\n", errName, "not white space of HTTP"},

	{"NUL in a value", "Host: x\r\nX-A: b\x00c\r\n", errValue, "9110 5.5: MUST reject"},
	{"NUL ends a value", "Host: x\r\nX-A: b\x00\r\n", errValue, "9110 5.5: MUST reject"},
	{"CR in a value", "Host: x\r\nX-A: b\rc\r\n", errValue, "9110 5.5: MUST reject"},
	{"CR ends a value", "Host: x\r\nX-A: b\r\r\n", errValue, "9112 2.2 bare CR"},
	{"CR and a field in a value", "Host: x\r\nX-A: b\rContent-Length: 5\r\n", errValue, "9112 2.2: smuggling by bare CR"},
	{"LF ends a field", "Host: x\r\nX-A: b\nX-C: d\r\n", errBareLF, "9112 2.2"},
	{"LF hides a field", "Host: x\r\nX-A: b\nContent-Length: 5\r\n", errBareLF, "9112 2.2: smuggling by bare LF"},
	{"LF ends the head", "Host: x\r\n\n", errBareLF, "9112 2.2"},
	{"bell in a value", "Host: x\r\nX-A: \x07\r\n", errValue, "9110 5.5"},
	{"backspace in a value", "Host: x\r\nX-A: abcdefgh\x08\r\n", errValue, "9110 5.5"},
	{"vertical tab in a value", "Host: x\r\nX-A: abcdefghij\x0bklmnopqrs\r\n", errValue, "9110 5.5"},
	{"form feed before a value", "Host: x\r\nX-A:\x0cb\r\n", errValue, "not white space of HTTP"},
	{"escape in a value", "Host: x\r\nUser-Agent: \x1b[31mred\r\n", errValue, "would reach a terminal through the log"},
	{"unit separator in a value", "Host: x\r\nX-A: abcdefg\x1f\r\n", errValue, "9110 5.5"},
	{"DEL in a value", "Host: x\r\nX-A: \x7f\r\n", errValue, "9110 5.5"},
	{"DEL in a long value", "Host: x\r\nX-A: abcdefghijklmn\x7fopq\r\n", errValue, "9110 5.5"},
	{"control after tab in a value", "Host: x\r\nX-A: abc\tde\x01fgh\r\n", errValue, "9110 5.5"},

	{"Content-Length twice", "Host: x\r\nContent-Length: 5\r\nContent-Length: 6\r\n", errLengthTwice, "9112 6.3"},
	{"Content-Length twice, same", "Host: x\r\nContent-Length: 5\r\nContent-Length: 5\r\n", errLengthTwice, "9112 6.3: may; gunicorn does"},
	{"Content-Length twice, other case", "Host: x\r\nContent-Length: 5\r\ncontent-length: 5\r\n", errLengthTwice, "9112 6.3"},
	{"Content-Length list", "Host: x\r\nContent-Length: 5, 5\r\n", errLength, "9112 6.3"},
	{"Content-Length list, comma only", "Host: x\r\nContent-Length: 5,\r\n", errLength, "9112 6.3"},
	{"Content-Length empty", "Host: x\r\nContent-Length:\r\n", errLength, "9110 8.6: 1*DIGIT"},
	{"Content-Length blank", "Host: x\r\nContent-Length: \t \r\n", errLength, "9110 8.6"},
	{"Content-Length with plus", "Host: x\r\nContent-Length: +5\r\n", errLength, "9110 8.6"},
	{"Content-Length negative", "Host: x\r\nContent-Length: -1\r\n", errLength, "9110 8.6"},
	{"Content-Length in hex", "Host: x\r\nContent-Length: 0x5\r\n", errLength, "9110 8.6"},
	{"Content-Length with underscore", "Host: x\r\nContent-Length: 1_0\r\n", errLength, "int() of Python takes it"},
	{"Content-Length with letter", "Host: x\r\nContent-Length: 5a\r\n", errLength, "9110 8.6"},
	{"Content-Length with space", "Host: x\r\nContent-Length: 5 5\r\n", errLength, "9110 8.6"},
	{"Content-Length decimal", "Host: x\r\nContent-Length: 5.0\r\n", errLength, "9110 8.6"},
	{"Content-Length exponent", "Host: x\r\nContent-Length: 1e3\r\n", errLength, "9110 8.6"},
	{"Content-Length in quotes", "Host: x\r\nContent-Length: \"5\"\r\n", errLength, "9110 8.6"},
	{"Content-Length superscript", "Host: x\r\nContent-Length: \xb2\r\n", errLength, "isnumeric() of Python takes it"},
	{"Content-Length in Arabic digits", "Host: x\r\nContent-Length: \xd9\xa5\r\n", errLength, "int() of Python takes it"},
	{"Content-Length of 2^63", "Host: x\r\nContent-Length: 9223372036854775808\r\n", errLengthHuge, "9110 8.6: anticipate overflow"},
	{"Content-Length of 2^64+5", "Host: x\r\nContent-Length: 18446744073709551621\r\n", errLengthHuge, "9110 8.6: wraps to 5"},
	{"Content-Length of 40 digits", "Host: x\r\nContent-Length: " + strings.Repeat("9", 40) + "\r\n", errLengthHuge, "9110 8.6"},
	{"Content-Type twice", "Host: x\r\nContent-Type: a/b\r\nContent-Type: c/d\r\n", errTypeRepeated, "9110 5.3"},
	{"Content-Type twice, same", "Host: x\r\nContent-Type: a/b\r\ncontent-TYPE: a/b\r\n", errTypeRepeated, "9110 5.3"},

	{"length and coding", "Host: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n", errLengthCoding, "9112 6.3"},
	{"coding and length", "Host: x\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n", errLengthCoding, "9112 6.3"},
	{"coding and length 0", "Host: x\r\nTransfer-Encoding: chunked\r\nContent-Length: 0\r\n", errLengthCoding, "9112 6.3"},
	{"coding empty", "Host: x\r\nTransfer-Encoding:\r\n", errCoding, "9112 6.3"},
	{"coding identity", "Host: x\r\nTransfer-Encoding: identity\r\n", errCoding, "9112 6.3: not final chunked"},
	{"coding identity and length", "Host: x\r\nTransfer-Encoding: identity\r\nContent-Length: 5\r\n", errCoding, "9112 6.3"},
	{"coding identity, chunked", "Host: x\r\nTransfer-Encoding: identity, chunked\r\n", errCoding, "9112 7: identity is gone"},
	{"coding chunked, identity", "Host: x\r\nTransfer-Encoding: chunked, identity\r\n", errCoding, "9112 6.3"},
	{"coding gzip", "Host: x\r\nTransfer-Encoding: gzip\r\n", errCoding, "9112 6.3: not final chunked"},
	{"coding chunked, gzip", "Host: x\r\nTransfer-Encoding: chunked, gzip\r\n", errCoding, "9112 6.3: not final chunked"},
	{"coding gzip, chunked", "Host: x\r\nTransfer-Encoding: gzip, chunked\r\n", errCodingUnknown, "9112 6.1: not decoded here"},
	{"coding deflate, gzip, chunked", "Host: x\r\nTransfer-Encoding: deflate, gzip, chunked\r\n", errCodingUnknown, "9112 6.1: not decoded here"},
	{"coding chunked, chunked", "Host: x\r\nTransfer-Encoding: chunked, chunked\r\n", errCoding, "9112 6.1: chunked once"},
	{"coding gzip, chunked, chunked", "Host: x\r\nTransfer-Encoding: gzip, chunked, chunked\r\n", errCoding, "9112 6.1: chunked once"},
	{"coding chunked twice", "Host: x\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", errCoding, "9112 6.1: chunked once"},
	{"coding in two fields", "Host: x\r\nTransfer-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n", errCoding, "9112 6.3"},
	{"coding with comma", "Host: x\r\nTransfer-Encoding: chunked,\r\n", errCoding, "empty elements hide from proxies"},
	{"coding after comma", "Host: x\r\nTransfer-Encoding: , chunked\r\n", errCoding, "empty elements hide from proxies"},
	{"coding unknown", "Host: x\r\nTransfer-Encoding: rot13\r\n", errCodingUnknown, "9112 6.1: 501"},
	{"coding xchunked", "Host: x\r\nTransfer-Encoding: xchunked\r\n", errCodingUnknown, "9112 6.1: 501"},
	{"coding chunked with parameter", "Host: x\r\nTransfer-Encoding: chunked;q=1\r\n", errCodingUnknown, "9112 7: chunked has none"},
	{"coding in quotes", "Host: x\r\nTransfer-Encoding: \"chunked\"\r\n", errCodingUnknown, "9112 7"},
	{"coding after vertical tab", "Host: x\r\nTransfer-Encoding: \x0bchunked\r\n", errValue, "9110 5.5"},
	{"coding with a space inside", "Host: x\r\nTransfer-Encoding: chun ked\r\n", errCodingUnknown, "9112 7"},
	{"coding with latin-1", "Host: x\r\nTransfer-Encoding: chunked\xa0\r\n", errCodingUnknown, "9112 7"},

	{"unknown expectation", "Host: x\r\nExpect: 200-ok\r\n", errExpect, "9110 10.1.1: 417"},
	{"empty expectation", "Host: x\r\nExpect:\r\n", errExpect, "9110 10.1.1: 417"},
	{"expectation list", "Host: x\r\nExpect: 100-continue, x\r\n", errExpect, "9110 10.1.1: 417"},
	{"unknown expectation second", "Host: x\r\nExpect: 100-continue\r\nExpect: x\r\n", errExpect, "9110 10.1.1: 417"},

	{"101 fields", "Host: x\r\n" + strings.Repeat("A: b\r\n", 100), errFieldsMany, "limit_request_fields"},
	{"101 fields, most dropped", "Host: x\r\n" + strings.Repeat("A_: b\r\n", 100), errFieldsMany, "dropped ones count too"},
	{"field line of 8191", "Host: x\r\nA: " + strings.Repeat("b", 8191-len("A: \r\n")) + "\r\n", errFieldLong, "limit_request_field_size"},
	{"blank field line of 8191", "Host: x\r\nA: " + strings.Repeat(" ", 8191-len("A: \r\n")) + "\r\n", errFieldLong, "limit_request_field_size"},
	{"name of 9000", "Host: x\r\n" + strings.Repeat("A", 9000) + ": b\r\n", errFieldLong, "limit_request_field_size"},
	{"field line of 9000 by bare LF", "Host: x\r\nA: " + strings.Repeat("b", 9000) + "\n", errFieldLong, "the limit comes first"},
}

// malformedHTTP10 are put after "POST / HTTP/1.0" CRLF.
var malformedHTTP10 = []refused{
	{"chunked", "Transfer-Encoding: chunked\r\n", errCodingVersion, "9112 6.1: faulty framing"},
	{"chunked, kept alive", "Transfer-Encoding: chunked\r\nConnection: keep-alive\r\n", errCodingVersion, "9112 6.1"},
	{"chunked and length", "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n", errCodingVersion, "9112 6.1"},
	{"Host twice", "Host: x\r\nHost: y\r\n", errHostRepeated, "9112 3.2"},
	{"bad Host", "Host: x y\r\n", errHost, "9112 3.2"},
	{"unknown expectation", "Expect: x\r\n", errExpect, "9110 10.1.1"},
}

var malformedLong = []refused{
	{"request line of 4095", "GET /" + strings.Repeat("a", 4095-len("GET / HTTP/1.1")) + " HTTP/1.1\r\nHost: x\r\n\r\n", errLineLong, "limit_request_line"},
	{"request line without end", "GET /" + strings.Repeat("a", 5000), errLineLong, "refused without its end in sight"},
	{"method without end", strings.Repeat("A", 5000), errLineLong, "refused without its end in sight"},
	{"long line by bare LF", "GET /" + strings.Repeat("a", 5000) + "\n", errLineLong, "the limit comes first"},
	{"field without end", "GET / HTTP/1.1\r\nA: " + strings.Repeat("b", 9000), errFieldLong, "refused without its end in sight"},
	{"fields without end", "GET / HTTP/1.1\r\n" + strings.Repeat("A: b\r\n", 100) + "A", errFieldsMany, "refused at the first byte of the 101st"},
}

func corpus() (all []refused) {
	wrap := func(group []refused, kind, before, after string) {
		for _, c := range group {
			c.name, c.in = kind+"/"+c.name, before+c.in+after
			all = append(all, c)
		}
	}
	wrap(malformedLines, "line", "", "")
	wrap(malformedFields, "fields", "GET / HTTP/1.1\r\n", "\r\n")
	wrap(malformedHTTP10, "1.0", "POST / HTTP/1.0\r\n", "\r\n")
	wrap(malformedLong, "long", "", "")
	return all
}

func TestMalformedHeadsAreRefused(t *testing.T) {
	names := map[string]bool{}
	for _, c := range corpus() {
		if names[c.name] {
			t.Errorf("%s: named twice", c.name)
		}
		names[c.name] = true
		t.Run(c.name, func(t *testing.T) {
			l := DefaultLimits()
			if _, err := parseWhole(c.in, &l); err != c.want {
				t.Errorf("whole: got %v, want %v (%s)\n%.200q", verdict(err), verdict(c.want), c.why, c.in)
			}
			if _, err := parsePieces(c.in, &l, 1); err != c.want {
				t.Errorf("byte by byte: got %v, want %v (%s)\n%.200q", verdict(err), verdict(c.want), c.why, c.in)
			}
		})
	}
	t.Logf("%d malformed heads, %d malformed chunked bodies", len(names), len(malformedChunks))
}

// verdict prints an *Error, which may be nil.
func verdict(e *Error) string {
	if e == nil {
		return "no verdict"
	}
	return fmt.Sprintf("%d %s", e.Status, e.Reason)
}

func parseWhole(in string, l *Limits) (*Request, *Error) {
	var r Request
	_, err := r.Parse([]byte(in), l)
	return &r, err
}

// parsePieces gives Parse step bytes more each time, in a buffer that moves
// each time and whose old content is destroyed.
func parsePieces(in string, l *Limits, step int) (*Request, *Error) {
	var r Request
	var old []byte
	for end := min(step, len(in)); ; end = min(end+step, len(in)) {
		b := []byte(in[:end])
		for i := range old {
			old[i] = 0xAA
		}
		if n, err := r.Parse(b, l); err != nil || n > 0 || end == len(in) {
			return &r, err
		}
		old = b
	}
}

// malformedChunks are chunked bodies.
var malformedChunks = []refused{
	{"empty size", "\r\nhello", errChunkSize, "9112 7.1: 1*HEXDIG"},
	{"extension without size", ";a\r\n", errChunkSize, "9112 7.1"},
	{"not hex", "g\r\n", errChunkSize, "9112 7.1"},
	{"hex then not", "5g\r\n", errChunkSize, "9112 7.1"},
	{"0x prefix", "0x5\r\nhello\r\n", errChunkSize, "9112 7.1"},
	{"plus", "+5\r\nhello\r\n", errChunkSize, "9112 7.1"},
	{"minus", "-5\r\n", errChunkSize, "9112 7.1"},
	{"underscore", "1_0\r\n", errChunkSize, "int(x, 16) of Python takes it"},
	{"space before size", " 5\r\nhello\r\n", errChunkSize, "9112 7.1"},
	{"tab before size", "\t5\r\nhello\r\n", errChunkSize, "9112 7.1"},
	{"space after size", "5 \r\nhello\r\n", errChunkSize, "9112 7.1.1: only before an extension"},
	{"space inside size", "1 0\r\n", errChunkSize, "9112 7.1"},
	{"form feed after size", "5\x0c\r\nhello\r\n", errChunkSize, "9112 7.1"},
	{"NUL after size", "5\x00\r\nhello\r\n", errChunkSize, "9112 7.1"},
	{"decimal point", "5.0\r\nhello\r\n", errChunkSize, "9112 7.1"},
	{"full-width digit", "\xef\xbc\x95\r\nhello\r\n", errChunkSize, "int() of Python takes it"},
	{"comma", "5,5\r\nhello\r\n", errChunkSize, "9112 7.1"},
	{"size of 2^63", "8000000000000000\r\n", errChunkHuge, "9112 7.1: anticipate overflow"},
	{"size of 2^64", "10000000000000000\r\n", errChunkHuge, "9112 7.1: anticipate overflow"},
	{"size of 2^64+5", "10000000000000005\r\nhello\r\n0\r\n\r\n", errChunkHuge, "9112 7.1: wraps to 5"},
	{"size of 17 zeros", strings.Repeat("0", 17) + "\r\n", errChunkHuge, "zeros without end"},
	{"bare LF after size", "5\nhello\r\n", errBareLF, "9112 2.2"},
	{"bare LF after last size", "0\n\r\n", errBareLF, "9112 2.2"},
	{"bare LF after extension", "5;a\nhello\r\n", errBareLF, "9112 2.2: a proxy may see one line more"},
	{"bare LF in extension", "5;\nxx\r\n4c\r\n0\r\n\r\n", errBareLF, "9112 7.1.1: extension read to the CRLF"},
	{"bare LF in quotes", "5;a=\"\n\"\r\nhello\r\n", errBareLF, "9112 7.1.1"},
	{"CR without LF after size", "5\rhello\r\n", errChunkLineEnd, "9112 2.2"},
	{"CR CR LF after size", "5\r\r\nhello\r\n", errChunkLineEnd, "9112 2.2"},
	{"CR without LF in extension", "5;a\rb\r\nhello\r\n", errChunkLineEnd, "9112 2.2"},
	{"CR in quotes", "5;a=\"\r\"\r\nhello\r\n", errChunkExt, "9110 5.6.4"},
	{"CR escaped in quotes", "5;a=\"\\\r\"\r\nhello\r\n", errChunkExt, "9110 5.6.4"},
	{"NUL in extension", "5;a\x00\r\nhello\r\n", errChunkExt, "9112 7.1.1"},
	{"NUL in quotes", "5;a=\"\x00\"\r\nhello\r\n", errChunkExt, "9110 5.6.4"},
	{"NUL escaped in quotes", "5;a=\"\\\x00\"\r\nhello\r\n", errChunkExt, "9110 5.6.4"},
	{"DEL in quotes", "5;a=\"\x7f\"\r\nhello\r\n", errChunkExt, "9110 5.6.4"},
	{"extension without name", "5;\r\nhello\r\n", errChunkExt, "9112 7.1.1"},
	{"extension without name, spaces", "5; \t\r\nhello\r\n", errChunkExt, "9112 7.1.1"},
	{"two semicolons", "5;;a\r\nhello\r\n", errChunkExt, "9112 7.1.1"},
	{"semicolon at the end", "5;a;\r\nhello\r\n", errChunkExt, "9112 7.1.1"},
	{"extension value without name", "5;=b\r\nhello\r\n", errChunkExt, "9112 7.1.1"},
	{"extension without value", "5;a=\r\nhello\r\n", errChunkExt, "9112 7.1.1"},
	{"two equals", "5;a==b\r\nhello\r\n", errChunkExt, "9112 7.1.1"},
	{"two values", "5;a=b=c\r\nhello\r\n", errChunkExt, "9112 7.1.1"},
	{"two names", "5;a b\r\nhello\r\n", errChunkExt, "9112 7.1.1"},
	{"space after name", "5;a \r\nhello\r\n", errChunkExt, "9112 7.1.1: BWS only before ; or ="},
	{"space after value", "5;a=b \r\nhello\r\n", errChunkExt, "9112 7.1.1"},
	{"comma in extension", "5;a,b\r\nhello\r\n", errChunkExt, "9110 5.6.2"},
	{"latin-1 in extension", "5;caf\xe9\r\nhello\r\n", errChunkExt, "9110 5.6.2"},
	{"quoted name", "5;\"a\"\r\nhello\r\n", errChunkExt, "9112 7.1.1"},
	{"quote unclosed", "5;a=\"b\r\nhello\r\n", errChunkExt, "9110 5.6.4"},
	{"quote escaped at the end", "5;a=\"b\\\"\r\nhello\r\n", errChunkExt, "9110 5.6.4"},
	{"text after quote", "5;a=\"b\"c\r\nhello\r\n", errChunkExt, "9112 7.1.1"},
	{"quote after text", "5;a=b\"c\"\r\nhello\r\n", errChunkExt, "9112 7.1.1"},
	{"long extension", "5;" + strings.Repeat("a", 1024) + "\r\nhello\r\n", errChunkLine, "9112 7.1.1: limit extensions"},
	{"long extension without end", "5;a=\"" + strings.Repeat("a", 5000), errChunkLine, "9112 7.1.1"},
	{"many padded chunks", strings.Repeat("1;"+strings.Repeat("a", 1000)+"\r\nx\r\n", 20), errChunkPadding, "9112 7.1.1: limit extensions in total"},
	{"data too long", "5\r\nhello!\r\n", errChunkEnd, "9112 7.1: data ends with CRLF"},
	{"data ended by LF", "5\r\nhello\n0\r\n\r\n", errChunkEnd, "9112 2.2"},
	{"data ended by CR", "5\r\nhello\r0\r\n\r\n", errChunkEnd, "9112 2.2"},
	{"data ended by LF CR", "5\r\nhello\n\r0\r\n\r\n", errChunkEnd, "9112 2.2"},
	{"data without end", "5\r\nhello0\r\n\r\n", errChunkEnd, "9112 7.1"},
	{"data ended by two bytes, skipped", "5\r\nhelloXX0\r\n\r\n", errChunkEnd, "some skip any two bytes"},

	{"trailer without colon", "0\r\nX-A\r\n\r\n", errNoColon, "9112 5"},
	{"trailer without name", "0\r\n: b\r\n\r\n", errEmptyName, "9110 5.1"},
	{"trailer with space before colon", "0\r\nX-A : b\r\n\r\n", errSpaceColon, "9112 5.1"},
	{"trailer with bad name", "0\r\nX(A): b\r\n\r\n", errName, "9110 5.6.2"},
	{"trailer with NUL in name", "0\r\nX\x00: b\r\n\r\n", errName, "9110 5.6.2"},
	{"trailer folded", "0\r\nX-A: b\r\n c\r\n\r\n", errFold, "9112 5.2"},
	{"trailer indented", "0\r\n X-A: b\r\n\r\n", errFold, "9112 2.2"},
	{"trailer with NUL", "0\r\nX-A: \x00\r\n\r\n", errValue, "9110 5.5"},
	{"trailer with CR", "0\r\nX-A: b\rc\r\n\r\n", errValue, "9112 2.2"},
	{"trailer ended by LF", "0\r\nX-A: b\n\r\n", errBareLF, "9112 2.2"},
	{"trailer name ended by LF", "0\r\nX-A\n\r\n", errBareLF, "9112 2.2"},
	{"trailers ended by LF", "0\r\nX-A: b\r\n\n", errBareLF, "9112 2.2"},
	{"no trailers, ended by LF", "0\r\n\n", errBareLF, "9112 2.2"},
	{"body ended by CR and text", "0\r\n\rGET / HTTP/1.1\r\n", errValue, "9112 2.2"},
	{"next request without end of trailers", "0\r\nGET / HTTP/1.1\r\nHost: x\r\n\r\n", errSpaceColon, "9112 7.1.2: not a trailer"},
	{"101 trailers", "0\r\n" + strings.Repeat("A: b\r\n", 101) + "\r\n", errTrailersLong, "bounded count"},
	{"trailers of 5000 bytes", "0\r\nA: " + strings.Repeat("b", 5000) + "\r\n\r\n", errTrailersLong, "bounded size"},
	{"trailer name of 5000 bytes", "0\r\n" + strings.Repeat("A", 5000), errTrailersLong, "refused without its end in sight"},
}

func TestMalformedChunksAreRefused(t *testing.T) {
	for _, c := range malformedChunks {
		t.Run(c.name, func(t *testing.T) {
			for _, step := range []int{len(c.in), 1, 3} {
				if _, _, err := decode([]byte(c.in), step); err != c.want {
					t.Errorf("in steps of %d: got %v, want %v (%s)\n%.200q", step, verdict(err), verdict(c.want), c.why, c.in)
				}
			}
		})
	}
}

// decode runs Chunked over in, which arrives in steps, up to the body's end or
// the input's. It returns the body and the bytes after it.
func decode(in []byte, step int) (body, rest []byte, err *Error) {
	var c Chunked
	for len(in) > 0 {
		src := in[:min(step, len(in))]
		in = in[len(src):]
		for len(src) > 0 {
			data, n, done, err := c.Next(src)
			if err != nil {
				return body, nil, err
			}
			body = append(body, data...)
			if src = src[n:]; done {
				return body, append(bytes.Clone(src), in...), nil
			}
		}
	}
	return body, nil, nil
}
