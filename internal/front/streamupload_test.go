package front

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/net/http2"
)

// serveUploads serves an application that begins with the head, and returns a client.
func serveUploads(t *testing.T, run func(*appCall), change ...func(*Config)) (*served, *http.Client) {
	t.Helper()
	return serveHTTP2App(t, run, append([]func(*Config){streaming}, change...)...)
}

// What the client sends is with the application before more comes.
func TestHTTP2BodiesComePieceByPiece(t *testing.T) {
	came := make(chan string, 100)
	s, _ := serveUploads(t, func(c *appCall) {
		body := c.streamedBody()
		defer body.Close()
		came <- "begun, length " + c.environ["CONTENT_LENGTH"]
		buf := make([]byte, 100_000)
		for {
			n, err := body.Read(buf)
			if err != nil {
				c.answer("200 OK", fmt.Sprint(err))
				return
			}
			came <- string(buf[:n])
		}
	})
	h := s.dialHTTP2(t)
	for i, length := range []string{"", "70004"} {
		id := uint32(2*i + 1)
		fields := []string{":method", "POST"}
		if length != "" {
			fields = append(fields, "content-length", length)
		}
		h.send(id, false, fields...)
		if got := <-came; got != "begun, length "+length {
			t.Fatalf("the application tells %q", got)
		}
		for _, piece := range []string{"one", strings.Repeat("x", 10000), "2"} {
			_ = h.framer.WriteData(id, false, []byte(piece))
			for got := ""; got != piece; {
				if got += <-came; !strings.HasPrefix(piece, got) {
					t.Fatalf("of %d bytes others came", len(piece))
				}
			}
		}
		if length != "" {
			for range 6 {
				_ = h.framer.WriteData(id, false, make([]byte, 10_000))
				for n := 10_000; n > 0; {
					n -= len(<-came)
				}
				waitFor(t, func() bool { return s.inlined.Load() == 0 }) // then the window is open again
			}
		}
		_ = h.framer.WriteData(id, true, nil)
		h.wantHead(t, id, ":status", "200")
	}
	s.wantNothingHeld(t)
}

// An application that does not read holds up its client alone: other streams of the
// connection go on, and what waits for it is bounded.
func TestHTTP2BodiesWaitForTheirApplicationAlone(t *testing.T) {
	const size, stuck = 1 << 20, 6 // more than the connection's window has room for
	goOn := make(chan struct{})
	s, client := serveUploads(t, func(c *appCall) {
		if c.environ["PATH_INFO"] == "/stuck" {
			<-goOn
		}
		body := c.streamedBody()
		defer body.Close()
		b, err := io.ReadAll(body)
		c.answer("200 OK", fmt.Sprint(len(b), bytes.Count(b, []byte("x")), err))
	})
	post := func(path string) string {
		_, got := fetch(t, client, newRequest(t, "POST", s.url(path), strings.NewReader(strings.Repeat("x", size))))
		return got
	}
	answers := make(chan string, stuck)
	for range stuck {
		go func() { answers <- post("/stuck") }()
	}
	waitFor(t, func() bool { return s.inlined.Load() >= stuck*60_000 })
	if got, want := post("/"), fmt.Sprint(size, size, nil); got != want {
		t.Errorf("beside those that wait the application has read %q", got)
	}
	if n := s.inlined.Load(); n > stuck*(maxInline+65535) {
		t.Errorf("%d bytes wait", n)
	}
	close(goOn)
	for range stuck {
		if got, want := <-answers, fmt.Sprint(size, size, nil); got != want {
			t.Errorf("one that waited has read %q", got)
		}
	}
	s.wantNothingHeld(t)
}

// readCancelled reads a body until nobody waits for the answer any more, and notes if it
// seemed whole before.
func (c *appCall) readCancelled(t *testing.T) {
	body := c.streamedBody()
	defer body.Close()
	_, err := io.Copy(io.Discard, body)
	if err == nil && !c.app.flagged(c.id) {
		t.Error("a body that was cut seems whole")
	}
	c.cancelled(t)
	c.dropped()
}

// Bodies that are cut, or wrong, end the request that the application has begun.
func TestHTTP2BodiesThatFailInTheMiddle(t *testing.T) {
	const large = 70_000 // more than comes before
	for name, test := range map[string]struct {
		length string
		fail   func(*rawHTTP2)
		status string // "": a reset by code
		code   http2.ErrCode
	}{
		"reset":                  {"", func(h *rawHTTP2) { _ = h.framer.WriteRSTStream(1, http2.ErrCodeCancel) }, "left", 0},
		"hung up":                {"", func(h *rawHTTP2) { h.nc.Close() }, "left", 0},
		"shorter":                {"90000", func(h *rawHTTP2) { _ = h.framer.WriteData(1, true, nil) }, "", http2.ErrCodeProtocol},
		"longer":                 {"70001", func(h *rawHTTP2) { _ = h.framer.WriteData(1, false, make([]byte, 2)) }, "", http2.ErrCodeProtocol},
		"trailers that are none": {"", func(h *rawHTTP2) { h.trailers(1, ":path#", "/") }, "", http2.ErrCodeProtocol},
		"too large":              {"", func(h *rawHTTP2) { _ = h.framer.WriteData(1, false, make([]byte, 10_001)) }, "413", http2.ErrCodeNo},
	} {
		t.Run(name, func(t *testing.T) {
			begun := make(chan struct{})
			s, _ := serveUploads(t, func(c *appCall) {
				if c.environ["REQUEST_METHOD"] == "GET" {
					c.answer("200 OK", "")
					return
				}
				close(begun)
				c.readCancelled(t)
			}, func(c *Config) { c.MaxBody = 100_000 })
			h := s.dialHTTP2(t)
			fields := []string{":method", "POST"}
			if test.length != "" {
				fields = append(fields, "content-length", test.length)
			}
			h.send(1, false, fields...)
			<-begun
			for sent := 0; sent < large; sent += 10_000 {
				_ = h.framer.WriteData(1, false, make([]byte, 10_000))
				waitFor(t, func() bool { return s.inlined.Load() == 0 })
				h.settle(t)
			}
			if name == "too large" {
				for range 2 {
					_ = h.framer.WriteData(1, false, make([]byte, 10_000))
					waitFor(t, func() bool { return s.inlined.Load() == 0 })
					h.settle(t)
				}
			}
			test.fail(h)
			switch test.status {
			case "left":
			case "":
				h.wantReset(t, 1, test.code)
			default:
				h.wantHead(t, 1, ":status", test.status)
				h.wantReset(t, 1, test.code)
			}
			s.wantNothingHeld(t)
			if name != "hung up" {
				h.still(t, 3)
			}
		})
	}
}

// Whoever is answered without being read is not asked for the body, and has some time to see it.
func TestHTTP2BodiesThatNobodyReads(t *testing.T) {
	s, client := serveUploads(t, func(c *appCall) {
		if c.environ["PATH_INFO"] == "/reads" {
			body := c.streamedBody()
			defer body.Close()
			b, err := io.ReadAll(body)
			c.answer("200 OK", fmt.Sprint(len(b), err))
			return
		}
		c.answer("401 Unauthorized", "no")
	}, func(c *Config) { c.Hurry = 20 })
	h := s.dialHTTP2(t)
	for i, expect := range [][]string{nil, {"expect", "100-continue"}} {
		id := uint32(2*i + 1)
		h.send(id, false, append([]string{":method", "POST", "content-length", "1000000"}, expect...)...)
		h.wantHead(t, id, ":status", "401")
		h.wantReset(t, id, http2.ErrCodeNo)
	}
	h.send(5, false, ":method", "POST", ":path", "/reads", "content-length", "5", "expect", "100-continue")
	h.wantHead(t, 5, ":status", "100")
	_ = h.framer.WriteData(5, true, []byte("hello"))
	h.wantHead(t, 5, ":status", "200")
	res, err := client.Do(newRequest(t, "POST", s.url("/"), bytes.NewReader(make([]byte, 1<<20))))
	if err != nil || res.StatusCode != 401 {
		t.Fatal(res, err)
	}
	res.Body.Close()
	s.wantNothingHeld(t)
}

// A client that leaves after its answer, while the application runs on, leaves nobody who
// waits for its body: the server could not end.
func TestHTTP2BodyOfWhoLeavesWhileTheApplicationRunsOn(t *testing.T) {
	goOn := make(chan struct{})
	s, _ := serveUploads(t, func(c *appCall) {
		body := c.streamedBody()
		defer body.Close()
		_, _ = body.Read(make([]byte, 1))
		c.start("no status") // which is answered for it
		<-goOn
		c.fail()
	})
	h := s.dialHTTP2(t)
	h.send(1, false, ":method", "POST")
	_ = h.framer.WriteData(1, false, []byte("x"))
	h.wantHead(t, 1, ":status", "500")
	h.wantReset(t, 1, http2.ErrCodeNo)
	h.nc.Close()
	waitFor(t, func() bool { return s.Conns() == 0 })
	close(goOn)
	s.wantNothingHeld(t)
	ended := make(chan error, 1)
	go func() {
		ctx, cancel := testContext(t, 10*time.Second)
		defer cancel()
		ended <- s.Shutdown(ctx)
	}()
	select {
	case err := <-ended:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(10 * time.Second):
		t.Error("the server does not end")
	}
}

// A client that stops in the middle is late; one whose application rests is not.
func TestHTTP2TimeOfAStreamedBody(t *testing.T) {
	const size = 1 << 20
	s, client := serveUploads(t, func(c *appCall) {
		if c.environ["PATH_INFO"] == "/late" {
			c.readCancelled(t)
			return
		}
		body := c.streamedBody()
		defer body.Close()
		time.Sleep(20 * bodyLimit / hurry)
		b, err := io.ReadAll(body)
		c.answer("200 OK", fmt.Sprint(len(b), err))
	}, hurried)
	h := s.dialHTTP2(t)
	h.send(1, false, ":method", "POST", ":path", "/late")
	_ = h.framer.WriteData(1, false, []byte("x"))
	h.wantHead(t, 1, ":status", "408")
	h.wantReset(t, 1, http2.ErrCodeNo)
	_, got := fetch(t, client, newRequest(t, "POST", s.url("/"), strings.NewReader(strings.Repeat("x", size))))
	if got != fmt.Sprint(size, nil) {
		t.Errorf("the application has read %q", got)
	}
	s.wantNothingHeld(t)
}

// A small body goes with its request, as before.
func TestHTTP2SmallBodiesAreNotStreamed(t *testing.T) {
	s, client := serveUploads(t, func(c *appCall) {
		c.answer("200 OK", fmt.Sprint(len(c.body), c.pipe != nil))
	})
	for _, size := range []int{1, 5000, maxInline} {
		_, got := fetch(t, client, newRequest(t, "POST", s.url("/"), strings.NewReader(strings.Repeat("x", size))))
		if got != fmt.Sprint(size, false) {
			t.Errorf("%d bytes come as %q", size, got)
		}
	}
}

// Streams whose bodies nobody reads leave descriptors for other connections.
func TestHTTP2ManyBodiesThatWait(t *testing.T) {
	const files, streams = 40, 30
	goOn := make(chan struct{})
	s, _ := serveUploads(t, func(c *appCall) {
		if c.environ["REQUEST_METHOD"] == "POST" {
			<-goOn
		}
		c.answer("200 OK", "")
	}, func(c *Config) { c.MaxFiles = files })
	var once sync.Once
	release := func() { once.Do(func() { close(goOn) }) }
	defer release()
	h := s.dialHTTP2(t)
	for i := range uint32(streams) {
		h.send(2*i+1, false, ":method", "POST")
		_ = h.framer.WriteData(2*i+1, false, []byte("x"))
	}
	h.wantHead(t, files/4*2+1, ":status", "503")
	h.settle(t)
	if n := s.held.Load(); n > files/2+1 {
		t.Errorf("%d descriptors are held", n)
	}
	s.dialHTTP2(t).still(t, 1)
	release()
	h.nc.Close()
	s.wantNothingHeld(t)
	waitFor(t, func() bool { return s.uploads.Load() == 0 })
}
