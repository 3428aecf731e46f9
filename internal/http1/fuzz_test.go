package http1

import (
	"bufio"
	"bytes"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
)

func FuzzParse(f *testing.F) {
	for _, c := range corpus() {
		f.Add([]byte(c.in), uint8(0))
	}
	for _, c := range goodHeads() {
		f.Add([]byte(c.in), uint8(7))
	}
	f.Fuzz(func(t *testing.T, in []byte, cut uint8) {
		l := Limits{RequestLine: 200, Fields: 8, FieldSize: 100, Underscores: Underscores(cut % 3)}
		var r Request
		n, err := r.Parse(in, &l)
		if n < 0 || n > len(in) || n > 0 && err != nil {
			t.Fatalf("got %d of %d, %v", n, len(in), err)
		}
		pieces, errOfPieces := parsePieces(string(in), &l, 1+int(cut)%9)
		if errOfPieces != err || pieces.pos != r.pos {
			t.Fatalf("whole: %d, %v; in pieces: %d, %v", r.pos, verdict(err), pieces.pos, verdict(errOfPieces))
		}
		if n == 0 {
			return
		}
		if got, want := show(pieces), show(&r); got != want {
			t.Fatalf("whole: %q; in pieces: %q", want, got)
		}
		checkInvariants(t, in[:n], &r)
		// A prefix never has a verdict that the whole has not.
		var p Request
		if k, err := p.Parse(in[:n-1], &l); k != 0 || err != nil {
			t.Fatalf("one byte less: got %d, %v", k, err)
		}
	})
}

// checkInvariants holds what the front relies on for every accepted head.
func checkInvariants(t *testing.T, head []byte, r *Request) {
	if !bytes.HasSuffix(head, []byte("\r\n\r\n")) {
		t.Fatalf("head ends with %q", head)
	}
	if bytes.Count(head, []byte("\n")) != bytes.Count(head, []byte("\r\n")) || bytes.IndexByte(head, 0) >= 0 {
		t.Fatalf("NUL or bare LF accepted: %q", head)
	}
	if len(r.Method) == 0 || len(r.Path) == 0 || r.Chunked != (r.ContentLength < 0) || r.Minor == 0 && r.Chunked {
		t.Fatalf("got %q %q, length %d, chunked %v", r.Method, r.Path, r.ContentLength, r.Chunked)
	}
	for _, f := range r.Fields {
		if !ValidFieldName(f.Name) || !ValidFieldValue(f.Value) || f.Kind != KindOf(f.Name) || len(trimOWS(f.Value)) != len(f.Value) {
			t.Fatalf("field %q: %q", f.Name, f.Value)
		}
	}
}

func FuzzChunked(f *testing.F) {
	for _, c := range malformedChunks {
		f.Add([]byte(c.in), uint8(1))
	}
	f.Add([]byte("5;a=\"b\\\"\" ; c\r\nhello\r\n0\r\nX-Sum: 1\r\n\r\nnext"), uint8(2))
	f.Fuzz(func(t *testing.T, in []byte, step uint8) {
		body, rest, err := decode(in, len(in)+1)
		pieces, restOfPieces, errOfPieces := decode(in, 1+int(step)%16)
		if err != errOfPieces || !bytes.Equal(body, pieces) || !bytes.Equal(rest, restOfPieces) {
			t.Fatalf("whole: %q %v; in pieces: %q %v", body, verdict(err), pieces, verdict(errOfPieces))
		}
		if err == nil && rest != nil {
			checkChunkedAgainstNetHTTP(t, in[:len(in)-len(rest)], body)
		}
	})
}

// checkChunkedAgainstNetHTTP: a complete body that is accepted here must be
// accepted there, as the same bytes.
func checkChunkedAgainstNetHTTP(t *testing.T, in, want []byte) {
	head := "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"
	b := bufio.NewReader(strings.NewReader(head + string(in)))
	req, err := http.ReadRequest(b)
	if err != nil {
		t.Fatal(err)
	}
	got, err := io.ReadAll(req.Body)
	if err != nil || !bytes.Equal(got, want) || b.Buffered() != 0 {
		t.Fatalf("net/http: %q, %v, %d bytes more; here %q\n%q", got, err, b.Buffered(), want, in)
	}
}

// FuzzAgainstNetHTTP: nothing that net/http refuses is accepted here, and what
// both accept is understood the same.
func FuzzAgainstNetHTTP(f *testing.F) {
	for _, c := range append(goodHeads(), wellFormed{in: wrkGet}, wellFormed{in: browserGet}) {
		f.Add([]byte(c.in))
	}
	for _, c := range corpus() {
		f.Add([]byte(c.in))
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		l := DefaultLimits()
		var r Request
		n, verdict := r.Parse(in, &l)
		if n == 0 || verdict != nil || netHTTPDiffers(&r) {
			return
		}
		head := bytes.TrimPrefix(in[:n], []byte("\r\n")) // net/http's Server skips it, ReadRequest does not
		req, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(head)))
		if err != nil {
			t.Fatalf("accepted here, net/http: %v\n%q", err, head)
		}
		compare(t, &r, req)
	})
}

// netHTTPDiffers names what is accepted here although net/http refuses it.
func netHTTPDiffers(r *Request) bool {
	// url.Parse refuses a path with a % that starts no escape. WSGI servers
	// keep it as it is, and applications see it so under gunicorn.
	if _, err := url.PathUnescape(string(r.Path)); err != nil {
		return true
	}
	// Of trailers that are not allowed net/http refuses the announcement.
	for _, f := range r.Fields {
		if f.Kind == KindTrailer {
			return true
		}
	}
	return false
}

func compare(t *testing.T, r *Request, req *http.Request) {
	chunked := len(req.TransferEncoding) > 0
	if req.Method != string(r.Method) || req.RequestURI != string(r.Target) || req.Host != string(r.Host) ||
		req.ContentLength != r.ContentLength || chunked != r.Chunked || req.Close == r.KeepAlive {
		t.Fatalf("net/http: %s %s, host %s, length %d, %v, close %v\nhere: %s, length %d",
			req.Method, req.RequestURI, req.Host, req.ContentLength, req.TransferEncoding, req.Close, show(r), r.ContentLength)
	}
	if string(r.Path) != "*" && !bytes.Equal(AppendUnescaped(nil, r.Path), []byte(req.URL.Path)) && req.URL.Path != "" {
		t.Fatalf("net/http: path %q, here %q", req.URL.Path, r.Path)
	}
	if req.URL.RawQuery != string(r.Query) {
		t.Fatalf("net/http: query %q, here %q", req.URL.RawQuery, r.Query)
	}
	for _, f := range r.Fields {
		if f.Kind != KindOther {
			continue // net/http moves these
		}
		found := false
		for _, v := range req.Header.Values(string(f.Name)) {
			found = found || v == string(f.Value)
		}
		if !found {
			t.Fatalf("net/http: %s is %q, here %q", f.Name, req.Header.Values(string(f.Name)), f.Value)
		}
	}
}

func FuzzAppendUnescaped(f *testing.F) {
	f.Add("/a%20b%zz%")
	f.Fuzz(func(t *testing.T, path string) {
		got := string(AppendUnescaped(nil, []byte(path)))
		if want, err := url.PathUnescape(path); err == nil && got != want {
			t.Fatalf("%q: got %q, want %q", path, got, want)
		}
		if len(got) > len(path) {
			t.Fatalf("%q grew to %q", path, got)
		}
	})
}
