package front

import (
	"bytes"
	"errors"
	"io"
	"os"
	"testing"
	"time"

	"golang.org/x/net/http2"
)

func speakClear(c *Config) { c.HTTP2.Clear = true }

// Without TLS, peers that are trusted may speak HTTP/2, if they begin with it.
func TestHTTP2WithoutTLS(t *testing.T) {
	s := serveApp(t, answerEnviron, trusting("127.0.0.0/8"), speakClear)
	newRawHTTP2(t, s.dial(t)).still(t, 1)
	nc := s.dial(t)
	for _, b := range []byte(http2.ClientPreface) { // in pieces
		if _, err := nc.Write([]byte{b}); err != nil {
			t.Fatal(err)
		}
	}
	framer := http2.NewFramer(nc, nc)
	if f, err := framer.ReadFrame(); err != nil || f.Header().Type != http2.FrameSettings {
		t.Errorf("the preface is answered with %v, %v", f, err)
	}
	for _, method := range []string{"POST", "GET", "PROPFIND"} { // HTTP/1.1 is spoken as ever
		c := s.connect(t)
		c.send(method[:1])
		c.send(method[1:] + " / HTTP/1.1\r\nHost: x\r\n\r\n")
		if res, _ := c.response(method); res.StatusCode != 200 {
			t.Errorf("the answer to %s is %s", method, res.Status)
		}
		c.Close()
	}
	for name, s := range map[string]*served{
		"not trusted": serveApp(t, answerEnviron, speakClear),
		"not allowed": serveApp(t, answerEnviron, trusting("127.0.0.0/8")),
	} {
		c := s.connect(t)
		c.send(http2.ClientPreface)
		if res, _ := c.response("GET"); res.StatusCode != 505 {
			t.Errorf("%s: the answer is %s", name, res.Status)
		}
		c.Close()
	}
}

// What several streams are answered in one moment leaves together.
func TestHTTP2AnswersLeaveTogether(t *testing.T) {
	const n = 20
	gate, arrived, answered := make(chan bool), make(chan bool, n), make(chan bool, n)
	s := serveApp(t, func(c *appCall) {
		arrived <- true
		<-gate
		c.answer("200 OK", "x")
		answered <- true
	}, trusting("127.0.0.0/8"), speakClear, func(c *Config) { c.Rests = true })
	h := newRawHTTP2(t, s.dial(t))
	if _, err := h.framer.ReadFrame(); err != nil { // settings
		t.Fatal(err)
	}
	for i := range uint32(n) {
		h.get(2*i+1, "/")
	}
	for range n {
		<-arrived
	}
	h.settle(t)
	close(gate)
	for range n {
		<-answered
	}
	var b [64 << 10]byte
	_ = h.nc.SetReadDeadline(time.Now().Add(50 * time.Millisecond))
	if n, err := h.nc.Read(b[:]); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("%d bytes came before the answers rested: %v", n, err)
	}
	s.Rest()
	_ = h.nc.SetReadDeadline(time.Now().Add(10 * time.Second))
	got, err := h.nc.Read(b[:])
	if err != nil {
		t.Fatal(err)
	}
	h.framer = http2.NewFramer(nil, bytes.NewReader(b[:got]))
	heads := 0
	for {
		f, err := h.framer.ReadFrame()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if f.Header().Type == http2.FrameHeaders {
			heads++
		}
	}
	if heads != n {
		t.Errorf("%d of %d answers came in one step", heads, n)
	}
}
