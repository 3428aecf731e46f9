package front

import (
	"bytes"
	"crypto/tls"
	"fmt"
	"io"
	"net/http"
	"sync"
	"testing"
	"time"

	"golang.org/x/net/http2"
)

// refusing is a server that takes small bodies only.
func refusing(c *Config) { c.MaxBody = 1 << 20 }

// upload sends a request with a body of n bytes, as large as it says, and only then reads.
func (c *client) upload(n int) (status int, body string) {
	c.t.Helper()
	c.send(fmt.Sprintf("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n", n))
	if _, err := c.Write(make([]byte, n)); err != nil {
		c.t.Fatalf("it cannot be sent: %v", err)
	}
	res, body := c.response("POST")
	return res.StatusCode, body
}

// Who looks at an answer only when its whole body is sent gets it, though nobody wanted it.
func TestWhoSendsAllFirstGetsItsAnswer(t *testing.T) {
	const size = 68 << 20
	overEach(t, func(t *testing.T, over over) {
		s := over.serve(t, answerEnviron, refusing)
		c := over.connect(t, s)
		if status, body := c.upload(size); status != 413 {
			t.Errorf("answered %d, %q", status, body)
		}
		c.wantClosed()
		s.wantNothingHeld(t)
	})
}

// Requests that follow such a body do not reset the connection before its answer is read.
func TestWhoSendsMoreRequestsFirstGetsItsAnswer(t *testing.T) {
	const size = 2 << 20
	overEach(t, func(t *testing.T, over over) {
		s := over.serve(t, answerEnviron, refusing)
		c := over.connect(t, s)
		c.send(fmt.Sprintf("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n", size))
		if _, err := c.Write(make([]byte, size)); err != nil {
			t.Fatal(err)
		}
		for range 3 {
			time.Sleep(50 * time.Millisecond)
			if _, err := c.Write([]byte(simpleGet)); err != nil {
				t.Fatalf("it cannot be sent: %v", err)
			}
		}
		if res, _ := c.response("POST"); res.StatusCode != 413 {
			t.Errorf("answered %s", res.Status)
		}
		c.wantClosed()
		s.wantNothingHeld(t)
	})
}

// Who sends all first over HTTP/2 gets its answer as well, if it obeys its windows: what it sends on is asked for.
func TestHTTP2WhoSendsAllFirstGetsItsAnswer(t *testing.T) {
	for transport, over := range transports {
		t.Run(transport, func(t *testing.T) {
			s := over.serveStreams(t, answerEnviron, refusing)
			for _, size := range []int{5 << 20, 68 << 20} {
				h := over.dialStreams(t, s)
				h.send(1, false, ":method", "POST")
				if status := h.uploadAll(t, size); status != "413" {
					t.Errorf("answered %q", status)
				}
				h.still(t, 3)
				h.nc.Close()
			}
			s.wantNothingHeld(t)
		})
	}
}

func (o over) dialStreams(t *testing.T, s *served) *rawHTTP2 {
	t.Helper()
	if o.tls {
		return s.dialHTTP2(t)
	}
	return newRawHTTP2(t, s.dial(t))
}

// uploadAll sends n bytes on a connection's first stream as windows allow, and ends it. It
// returns the status, if that came meanwhile.
func (h *rawHTTP2) uploadAll(t *testing.T, n int) (status string) {
	t.Helper()
	status, _ = h.uploadPausing(t, n, 0)
	return status
}

// uploadPausing is uploadAll of a client that pauses after each frame. It also returns how
// much of the answer came.
func (h *rawHTTP2) uploadPausing(t *testing.T, n int, pause time.Duration) (status string, got int) {
	t.Helper()
	const id = 1
	windows := map[uint32]int{0: 65535, id: 65535}
	_ = h.nc.SetDeadline(time.Now().Add(60 * time.Second))
	for n > 0 {
		if k := min(n, windows[0], windows[id], 16384); k > 0 {
			n -= k
			windows[0], windows[id] = windows[0]-k, windows[id]-k
			if err := h.framer.WriteData(id, n == 0, make([]byte, k)); err != nil {
				t.Fatal(err)
			}
			time.Sleep(pause)
			continue
		}
		f, err := h.framer.ReadFrame()
		if err != nil {
			t.Fatalf("with %d bytes to send: %v", n, err)
		}
		switch f := f.(type) {
		case *http2.WindowUpdateFrame:
			windows[f.StreamID] += int(f.Increment)
		case *http2.DataFrame:
			got += len(f.Data())
		case *http2.MetaHeadersFrame:
			status = f.PseudoValue("status")
		case *http2.RSTStreamFrame:
			t.Fatalf("with %d bytes to send: %v", n, f)
		}
	}
	return status, got
}

// A client that is slow with what nobody wants has time, but not for ever.
func TestTheRestOfABodyHasItsTime(t *testing.T) {
	const factor = 5
	limits := newTimes(factor, SocketOptions{})
	overEach(t, func(t *testing.T, over over) {
		for name, during := range map[string]time.Duration{"slow": 4 * limits.linger, "for ever": time.Hour} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				s := over.serve(t, answerEnviron, refusing, func(c *Config) { c.Hurry = factor })
				c := over.connect(t, s)
				_ = c.SetDeadline(time.Now().Add(30 * time.Second))
				c.send("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 20000000\r\n\r\n")
				began, failed := time.Now(), error(nil)
				for failed == nil && time.Since(began) < during {
					_, failed = c.Write([]byte("xxxxxxxx"))
					time.Sleep(limits.linger / 20)
				}
				took := time.Since(began)
				switch {
				case name == "for ever" && took < limits.discard, name == "slow" && failed != nil:
					t.Fatalf("it ended after %v: %v", took, failed)
				case name == "slow":
					if res, _ := c.response("POST"); res.StatusCode != 413 {
						t.Errorf("answered %s", res.Status)
					}
				}
				c.Close()
				s.wantNothingHeld(t)
			})
		}
	})
}

// HTTP/2: what is not ended by its client is reset when its time is over.
func TestHTTP2TheRestOfABodyHasItsTime(t *testing.T) {
	s, _ := serveHTTP2App(t, answerEnviron, refusing, func(c *Config) { c.Hurry = 20 })
	h := s.dialHTTP2(t)
	h.send(1, false, ":method", "POST", "content-length", "9999999")
	h.wantHead(t, 1, ":status", "413")
	began := time.Now()
	h.wantReset(t, 1, http2.ErrCodeNo)
	if took := time.Since(began); took < s.times.silent/2 {
		t.Errorf("it is reset after %v", took)
	}
	h.still(t, 3)
}

// A connection whose answer is complete is no idle one while its body is read on.
func TestHTTP2TheRestOfABodyKeepsTheConnection(t *testing.T) {
	const keep = 200 * time.Millisecond
	s, _ := serveHTTP2App(t, answerEnviron, refusing, func(c *Config) { c.KeepAlive = keep })
	h := s.dialHTTP2(t)
	h.send(1, false, ":method", "POST", "content-length", "9999999")
	h.wantHead(t, 1, ":status", "413")
	for began := time.Now(); time.Since(began) < 8*keep; time.Sleep(keep / 10) {
		if err := h.framer.WriteData(1, false, []byte("x")); err != nil {
			t.Fatal(err)
		}
	}
	h.still(t, 3)
	if err := h.framer.WriteData(1, true, nil); err != nil {
		t.Fatal(err)
	}
	h.wantAway(t, http2.ErrCodeNo) // now it is one
}

// A client of Go's sends on while it reads its answer, and is served on the same connection.
func TestGoClientsGetEarlyAnswers(t *testing.T) {
	s, client := serveUploads(t, func(c *appCall) {
		if c.environ["REQUEST_METHOD"] == "GET" {
			c.answer("200 OK", "")
			return
		}
		c.answer("401 Unauthorized", "no")
	})
	for range 20 {
		res, err := client.Do(newRequest(t, "POST", s.url("/"), bytes.NewReader(make([]byte, 3<<20))))
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(res.Body)
		res.Body.Close()
		if res.StatusCode != 401 || string(body) != "no" || err != nil {
			t.Fatalf("answered %s, %q, %v", res.Status, body, err)
		}
	}
	if res, err := client.Get(s.url("/")); err != nil || res.StatusCode != 200 {
		t.Fatal(res, err)
	}
	s.wantNothingHeld(t)
}

// slowly reads all frames up to the end of a stream, a little at a time, and tells the
// client's windows on. It returns how many bytes came.
func (h *rawHTTP2) slowly(t *testing.T, id uint32, nc io.Reader, pause time.Duration) (got int) {
	t.Helper()
	h.framer = http2.NewFramer(h.nc, &trickle{nc, pause})
	for {
		f, err := h.framer.ReadFrame()
		if err != nil {
			t.Fatalf("after %d bytes: %v", got, err)
		}
		switch f := f.(type) {
		case *http2.DataFrame:
			if got += len(f.Data()); f.StreamEnded() && f.StreamID == id {
				return got
			}
			_ = h.framer.WritePing(false, [8]byte{1})
			_ = h.framer.WriteWindowUpdate(0, 1)
		case *http2.RSTStreamFrame:
			t.Fatalf("after %d bytes: %v", got, f)
		}
	}
}

// trickle reads a few bytes at a time.
type trickle struct {
	io.Reader
	pause time.Duration
}

func (r *trickle) Read(p []byte) (int, error) {
	time.Sleep(r.pause)
	return r.Reader.Read(p[:min(len(p), 4096)])
}

// An answer that is complete here and not with its client keeps the connection, longer than
// an idle one is kept, and when the server stops.
func TestHTTP2WhoReadsSlowlyIsNotIdle(t *testing.T) {
	const size = 800_000
	for transport, over := range transports {
		for name, stops := range map[string]bool{"keep-alive": false, "stop": true} {
			t.Run(transport+"/"+name, func(t *testing.T) {
				t.Parallel()
				s := over.serveStreams(t, func(c *appCall) { c.answer("200 OK", string(make([]byte, size))) }, func(c *Config) {
					c.Hurry, c.KeepAlive, c.SpoolResponse = 10, 1500*time.Millisecond, 0
				})
				nc := dialNarrow(t, s)
				if over.tls {
					secure := tls.Client(nc, &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"h2"}})
					if err := secure.Handshake(); err != nil {
						t.Fatal(err)
					}
					nc = secure
				}
				h := newRawHTTP2(t, nc, http2.Setting{ID: http2.SettingInitialWindowSize, Val: size})
				if err := h.framer.WriteWindowUpdate(0, 2*size); err != nil {
					t.Fatal(err)
				}
				h.get(1, "/")
				h.wantHead(t, 1, ":status", "200")
				ended := make(chan error, 1)
				if stops {
					go func() {
						ctx, cancel := testContext(t, 30*time.Second)
						defer cancel()
						ended <- s.Shutdown(ctx)
					}()
					waitFor(t, s.Draining)
				}
				if got := h.slowly(t, 1, nc, 20*time.Millisecond); got != size {
					t.Errorf("%d bytes came", got)
				}
				if !stops {
					h.framer.ReadMetaHeaders = nil
					if err := h.get(3, "/"); err != nil {
						t.Fatal(err)
					}
					h.slowly(t, 3, nc, 0)
					return
				}
				nc.Close()
				if err := <-ended; err != nil {
					t.Error(err)
				}
			})
		}
	}
}

// A stop takes no longer for connections that were kept, and what ran when it began is the
// last on its connection.
func TestKeptConnectionsAndAStop(t *testing.T) {
	overEach(t, func(t *testing.T, over over) {
		release, begun := make(chan struct{}), make(chan struct{})
		s := over.serve(t, func(c *appCall) {
			if c.environ["PATH_INFO"] == "/slow" {
				close(begun)
				<-release
			}
			c.answer("200 OK", "done")
		}, func(c *Config) { c.KeepAlive = time.Hour })
		running, kept := over.connect(t, s), over.connect(t, s)
		kept.send(simpleGet)
		kept.response("GET")
		running.send("GET /slow HTTP/1.1\r\nHost: x\r\n\r\n")
		<-begun
		ended := make(chan error)
		go func() {
			ctx, cancel := testContext(t, 3*time.Second)
			defer cancel()
			ended <- s.Shutdown(ctx)
		}()
		waitFor(t, s.Draining)
		close(release)
		var res *http.Response
		if res, _ = running.response("GET"); !res.Close {
			t.Errorf("the client is not told that the connection ends: %v", res.Header)
		}
		running.wantClosed()
		running.Close()
		if err := <-ended; err != nil { // though kept never closes
			t.Errorf("it says that an answer is owed: %v", err)
		}
	})
}

// A stop does not wait long for a client of HTTP/2 that takes nothing of its last answer: it
// may have left without a word.
func TestHTTP2WhoReadsNothingDoesNotHoldUpAStop(t *testing.T) {
	s := transports["clear"].serveStreams(t, func(c *appCall) { c.answer("200 OK", string(make([]byte, 200_000))) },
		func(c *Config) { c.Hurry, c.KeepAlive = 10, time.Hour })
	h := newRawHTTP2(t, dialNarrow(t, s), http2.Setting{ID: http2.SettingInitialWindowSize, Val: 200_000})
	if err := h.framer.WriteWindowUpdate(0, 200_000); err != nil {
		t.Fatal(err)
	}
	h.get(1, "/")
	h.wantHead(t, 1, ":status", "200")
	ctx, cancel := testContext(t, 30*time.Second)
	defer cancel()
	began := time.Now()
	if err := s.Shutdown(ctx); err != nil {
		t.Error(err)
	}
	if took := time.Since(began); took > s.times.write/2 {
		t.Errorf("it took %v", took)
	}
}

// A stop waits for the rest of a body that nobody wants for a part of its time only.
func TestTheRestOfABodyDoesNotHoldUpAStop(t *testing.T) {
	const most = 8 * time.Second // of which a stop takes half
	overEach(t, func(t *testing.T, over over) {
		t.Parallel()
		s := over.serve(t, answerEnviron, refusing)
		c := over.connect(t, s)
		c.send("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 20000000\r\n\r\n")
		sent := make(chan struct{})
		go func() {
			defer close(sent)
			for _, err := c.Write([]byte("x")); err == nil; _, err = c.Write([]byte("x")) {
				time.Sleep(20 * time.Millisecond)
			}
		}()
		c.response("POST")
		ctx, cancel := testContext(t, most)
		defer cancel()
		began := time.Now()
		if err := s.Shutdown(ctx); err != nil || time.Since(began) > most*9/10 {
			t.Errorf("it took %v: %v", time.Since(began), err)
		}
		<-sent
	})
}

// However fast the rest of a body comes, it ends in reasonable time.
func TestTheRestOfABodyIsBounded(t *testing.T) {
	s := serveApp(t, answerEnviron)
	for came, most := range map[int64]time.Duration{0: discardLimit, 500 * 60: discardLimit + time.Minute, discardMost: time.Hour} {
		if longest, _ := s.discardLimits(0, came); time.Duration(longest) != most {
			t.Errorf("with %d bytes it may take %v", came, time.Duration(longest))
		}
	}
}

// dribble sends a byte now and then until that fails or the test ends.
func dribble(t *testing.T, every time.Duration, send func() error) {
	stop, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		for send() == nil {
			select {
			case <-stop:
				return
			case <-time.After(every):
			}
		}
	}()
	t.Cleanup(func() { close(stop); <-ended })
}

// Who has its answer and sends on what nobody wants stays while there is room, and keeps
// nobody out.
func TestTheRestOfABodyMakesRoom(t *testing.T) {
	const most = 3
	for name, stays := range map[string]bool{"room": true, "none": false} {
		overEach(t, func(t *testing.T, over over) {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				s := over.serve(t, answerEnviron, refusing, func(c *Config) { c.MaxConns, c.Hurry = most, 4 })
				for range most - 1 {
					c := over.connect(t, s)
					_ = c.SetDeadline(time.Now().Add(30 * time.Second))
					c.send("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 20000000\r\n\r\n")
					c.response("POST")
					dribble(t, s.times.silent/20, func() error { _, err := c.Write([]byte("x")); return err })
				}
				s.wantRoom(t, over, stays)
			})
		})
		for transport, over := range transports {
			t.Run("HTTP2/"+transport+"/"+name, func(t *testing.T) {
				t.Parallel()
				s := over.serveStreams(t, answerEnviron, refusing, func(c *Config) { c.MaxConns, c.Hurry = most, 4 })
				for range most - 1 {
					h := over.dialStreams(t, s)
					h.send(1, false, ":method", "POST", "content-length", "20000000")
					h.wantHead(t, 1, ":status", "413")
					dribble(t, s.times.silent/20, func() error { return h.framer.WriteData(1, false, []byte("x")) })
				}
				s.wantRoom(t, over, stays)
			})
		}
	}
}

// Uploads that are slow and have had their first time make room as well, those that are
// quicker do not.
func TestSlowBodiesMakeRoom(t *testing.T) {
	const most = 3
	overEach(t, func(t *testing.T, over over) {
		t.Parallel()
		s := over.serve(t, answerEnviron, func(c *Config) { c.MaxConns, c.Hurry = most, 20 })
		rate := bodyRate * int(time.Second/s.times.bodySecond) // bytes a second that buy as much time
		quick := over.connect(t, s)
		quick.send("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n")
		dribble(t, 10*time.Millisecond, func() error { _, err := quick.Write(make([]byte, 16*rate/100)); return err })
		for range most - 1 {
			c := over.connect(t, s)
			c.send("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n")
			dribble(t, 10*time.Millisecond, func() error { _, err := c.Write(make([]byte, 2*rate/100)); return err })
		}
		waitFor(t, func() bool { return s.inStage(stageBody) == most })
		for range 2 {
			c := over.connect(t, s)
			c.send("GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
			if res, _ := c.response("GET"); res.StatusCode != 200 {
				t.Errorf("answered %s", res.Status)
			}
		}
		if n := s.inStage(stageBody); n == 0 {
			t.Error("the one that is quicker is gone as well")
		}
	})
}

// One whose application has not read what came cannot make room, and is no reason that
// another one does not.
func TestWhoWaitsForItsApplicationIsPassedOver(t *testing.T) {
	const size = 1 << 20
	overEach(t, func(t *testing.T, over over) {
		t.Parallel()
		goOn := make(chan struct{})
		goes := sync.OnceFunc(func() { close(goOn) })
		s := over.serve(t, func(c *appCall) {
			if c.environ["REQUEST_METHOD"] == "GET" {
				c.answer("200 OK", "")
				return
			}
			body := c.streamedBody()
			defer body.Close()
			if c.environ["PATH_INFO"] == "/waits" {
				<-goOn
			}
			b, err := io.ReadAll(body)
			c.answer("200 OK", fmt.Sprint(len(b), err))
		}, hurried, streaming, func(c *Config) { c.MaxConns = 2 })
		defer goes()
		waits, sent := over.connect(t, s), make(chan struct{})
		go func() {
			defer close(sent)
			waits.send(fmt.Sprintf("POST /waits HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n", size))
			_, _ = waits.Write(make([]byte, size))
		}()
		waitFor(t, func() bool { return s.inStage(stageBody) == 1 })
		time.Sleep(20 * s.times.body)                              // it is the slower one
		slow, part := over.connect(t, s), make([]byte, 2*bodyRate) // twice what a body needs
		slow.send("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100000000\r\n\r\n")
		dribble(t, s.times.bodySecond, func() error { _, err := slow.Write(part); return err })
		c := over.connect(t, s)
		c.send("GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
		if res, _ := c.response("GET"); res.StatusCode != 200 {
			t.Errorf("answered %s", res.Status)
		}
		goes()
		if _, body := waits.response("POST"); body != fmt.Sprint(size, nil) {
			t.Errorf("the application has read %q", body)
		}
		<-sent
	})
}

// wantRoom wants others to be let in where all places but one are taken: they find the one,
// or where it is taken as well, another soon.
func (s *served) wantRoom(t *testing.T, over over, stays bool) {
	t.Helper()
	taken := s.Conns()
	if !stays { // by one that waits for its answer, which none may lose
		c := over.connect(t, s)
		c.send("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n")
		waitFor(t, func() bool { return s.inStage(stageBody) == 1 })
	}
	for range 3 {
		began := time.Now()
		c := over.connect(t, s)
		c.send("GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
		if res, _ := c.response("GET"); res.StatusCode != 200 {
			t.Errorf("answered %s", res.Status)
		}
		if took := time.Since(began); took >= s.times.silent {
			t.Errorf("it waits for %v", took)
		}
		c.wantClosed()
		c.Close()
	}
	if n := s.Conns(); stays && n < taken {
		t.Errorf("%d of %d are left", n, taken)
	}
}
