package http1

import "testing"

func TestSmoke(t *testing.T) {
	var r Request
	l := DefaultLimits()
	b := []byte("GET /a%20b?c HTTP/1.1\r\nHost: 127.0.0.1:8000\r\nConnection: Close\r\nX_Y: 1\r\n\r\nrest")
	n, err := r.Parse(b, &l)
	if err != nil || n != len(b)-4 || r.KeepAlive || len(r.Fields) != 2 || string(r.Path) != "/a%20b" || string(r.Query) != "c" {
		t.Fatal(n, err, r)
	}
	r.Reset()
	for i := 1; i < n; i++ {
		if k, err := r.Parse(append([]byte(nil), b[:i]...), &l); k != 0 || err != nil {
			t.Fatal(i, k, err)
		}
	}
	if k, err := r.Parse(b[:n], &l); k != n || err != nil || &r.Method[0] != &b[0] {
		t.Fatal(k, err)
	}
	var c Chunked
	src := []byte("5;a=\"b\" ; c\r\nhello\r\n0\r\nx: y\r\n\r\nGET")
	var out []byte
	for {
		d, n, done, err := c.Next(src)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, d...)
		src = src[n:]
		if done {
			break
		}
	}
	if string(out) != "hello" || string(src) != "GET" {
		t.Fatal(string(out), string(src))
	}
}
