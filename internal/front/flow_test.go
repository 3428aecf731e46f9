package front

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"girin/internal/sched"
	"girin/internal/wire"
)

// A client that reads nothing gets no more buffered than the window; credit
// is granted as it reads, and all of it arrives.
func TestASlowReaderIsGivenCreditAsItReads(t *testing.T) {
	overEach(t, func(t *testing.T, over over) {
		const window, blocks, size = 256 << 10, 400, 32 << 10
		stalled := make(chan struct{})
		s := over.serve(t, func(c *appCall) {
			c.start("200 OK")
			left := window
			told := false
			for i := range blocks {
				for left < size {
					if !told {
						told = true
						close(stalled)
					}
					n := <-c.granted
					if n == wire.Cancelled {
						c.fail()
						return
					}
					left += int(n)
				}
				left -= size
				c.block(bytes.Repeat([]byte{byte(i)}, size))
			}
			c.end()
		})
		c := over.connectNarrow(t, s)
		c.send(simpleGet)
		<-stalled
		if n := s.queued.Load(); n > window+1000 {
			t.Errorf("%d bytes are queued for a client that reads nothing; the window is %d", n, window)
		}
		_, body := c.response("GET")
		if len(body) != blocks*size {
			t.Fatalf("%d bytes, want %d", len(body), blocks*size)
		}
		for i := range blocks {
			if part := body[i*size:][:size]; part != strings.Repeat(string([]byte{byte(i)}), size) {
				t.Fatalf("block %d is not as it was sent", i)
			}
		}
		waitFor(t, func() bool { return s.queued.Load() == 0 })
	})
}

// What a client that leaves had not read does not count any more.
func TestAClientThatLeavesFreesItsQueue(t *testing.T) {
	overEach(t, func(t *testing.T, over over) {
		queued := make(chan struct{})
		s := over.serve(t, func(c *appCall) {
			c.start("200 OK")
			sent := 0
			for room := AnswerWindow; room >= 0; { // until the client is waited for
				for ; sent+64<<10 <= room; sent += 64 << 10 {
					c.block(make([]byte, 64<<10))
				}
				select {
				case n := <-c.granted:
					room += int(n)
				case <-time.After(100 * time.Millisecond):
					room = -1
				}
			}
			close(queued)
			c.cancelled(t)
			c.fail()
		})
		c := over.connect(t, s)
		c.send(simpleGet)
		<-queued
		if s.queued.Load() == 0 {
			t.Fatal("nothing is queued")
		}
		c.Close()
		waitFor(t, func() bool { return s.queued.Load() == 0 && s.Conns() == 0 })
	})
}

func (c *appCall) file(f *os.File, offset, length int64, fields ...string) {
	head := headBlock("200 OK", fields)
	c.app.mu.Lock()
	delete(c.app.running, c.id)
	c.app.mu.Unlock()
	frame := wire.Frame{ID: c.id, Kind: wire.Response, Flags: wire.Final, CPU: wire.NotMeasured, Head: uint32(len(head)), Fields: uint16(len(fields) / 2)}
	c.app.queue.File(c.app, &frame, head, sched.FileBody{File: f, Offset: offset, Length: length})
}

func TestFiles(t *testing.T) {
	overEach(t, func(t *testing.T, over over) {
		content := bytes.Repeat([]byte("0123456789"), 300_000)
		path := filepath.Join(t.TempDir(), "file")
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
		size := int64(len(content))
		tests := map[string]struct {
			offset, length int64
			declared       int64
			method         string
			status         int
			want           []byte
			cut            bool
			log            string
		}{
			"whole":                       {0, size, size, "GET", 200, content, false, ""},
			"a part":                      {5, 10, 10, "GET", 200, content[5:15], false, ""},
			"nothing":                     {0, 0, 0, "GET", 200, nil, false, ""},
			"its end":                     {size - 3, 3, 3, "GET", 200, content[size-3:], false, ""},
			"for HEAD":                    {0, size, size, "HEAD", 200, nil, false, ""},
			"it is shorter than declared": {0, size + 5, size + 5, "GET", 200, content, true, "its file became shorter"},
			"more than declared":          {0, 10, 5, "GET", 500, nil, false, "Content-Length"},
			"less than declared":          {0, 10, 15, "GET", 500, nil, false, "Content-Length"},
			"no length is declared":       {5, 10, -1, "GET", 200, content[5:15], false, ""},
		}
		for name, test := range tests {
			t.Run(name, func(t *testing.T) {
				s := over.serve(t, func(c *appCall) {
					if c.environ["PATH_INFO"] == "/last" {
						c.answer("200 OK", "last")
						return
					}
					f, err := os.Open(path)
					if err != nil {
						t.Error(err)
					}
					var fields []string
					if test.declared >= 0 {
						fields = []string{"Content-Length", fmt.Sprint(test.declared)}
					}
					c.file(f, test.offset, test.length, fields...)
				})
				c := over.connect(t, s)
				c.send(test.method + " / HTTP/1.1\r\nHost: x\r\n\r\n" + lastRequest)
				if test.cut {
					if rest := c.rest(); !strings.HasSuffix(rest, "\r\n\r\n"+string(test.want)) {
						t.Errorf("%d bytes before the cut", len(rest))
					}
				} else {
					res, body := c.response(test.method)
					if res.StatusCode != test.status || test.status == 200 && body != string(test.want) {
						t.Errorf("status %d, %d bytes; want %d, %d", res.StatusCode, len(body), test.status, len(test.want))
					}
					if _, body := c.response("GET"); body != "last" {
						t.Errorf("the next answer is %q", body)
					}
				}
				if test.log != "" {
					s.log.wait(t, test.log)
				}
			})
		}
	})
}

func TestAClientThatLeavesEndsItsFile(t *testing.T) {
	overEach(t, func(t *testing.T, over over) {
		s := over.serve(t, func(c *appCall) {
			f, err := os.CreateTemp(t.TempDir(), "")
			if err == nil {
				err = f.Truncate(1 << 30)
			}
			if err != nil {
				t.Error(err)
			}
			c.file(f, 0, 1<<30, "Content-Length", fmt.Sprint(1<<30))
		})
		c := over.connect(t, s)
		c.send(simpleGet)
		if _, err := c.in.ReadByte(); err != nil {
			t.Fatal(err)
		}
		c.Close()
		waitFor(t, func() bool { return s.Conns() == 0 })
	})
}

// pipes is a listener whose connections are pairs of net.Pipe: they work in
// virtual time, and take the way of connections that are no sockets.
type pipes struct {
	next   chan net.Conn
	closed chan struct{}
}

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case nc := <-p.next:
		return nc, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error {
	select {
	case <-p.closed:
	default:
		close(p.closed)
	}
	return nil
}

func (p *pipes) Addr() net.Addr { return pipeAddr{} }

type pipeAddr struct{}

func (pipeAddr) Network() string { return "pipe" }
func (pipeAddr) String() string  { return "pipe" }

// virtual runs f with a server in a bubble of virtual time. connect connects a
// client to it.
func virtual(t *testing.T, run func(*appCall), f func(t *testing.T, s *served, connect func() net.Conn), change ...func(*Config)) {
	synctest.Test(t, func(t *testing.T) {
		s := newServed(t, run, change...)
		p := &pipes{next: make(chan net.Conn), closed: make(chan struct{})}
		s.Serve(p, 0)
		f(t, s, func() net.Conn {
			ours, theirs := net.Pipe()
			p.next <- theirs
			t.Cleanup(func() { ours.Close() })
			return ours
		})
	})
}

// ends reads until the connection ends, and returns what came and how long it
// took.
func ends(nc net.Conn) (string, time.Duration) {
	began := time.Now()
	b, _ := io.ReadAll(nc)
	return string(b), time.Since(began)
}

func TestDeadlines(t *testing.T) {
	const head = "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n"
	tests := map[string]struct {
		send   string
		slowly string // and this after it, a byte a second, over and over
		limit  time.Duration
		want   string // prefix of what comes
	}{
		"a connection that says nothing": {"", "", 20 * time.Second, ""},
		"a head that stops":              {"GET / HT", "", 20 * time.Second, "HTTP/1.1 408 "},
		"a head of a byte a second":      {"GET / HTTP/1.1\r\nA: ", "a", 20 * time.Second, "HTTP/1.1 408 "},
		"a body that stops":              {head, "", 20 * time.Second, "HTTP/1.1 408 "},
		"a body of a byte a second":      {head, "a", 20 * time.Second, "HTTP/1.1 408 "},
		"some of it and a stop":          {head + strings.Repeat("x", 5000), "", 30 * time.Second, "HTTP/1.1 408 "},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			virtual(t, func(c *appCall) { c.answer("200 OK", "") }, func(t *testing.T, s *served, connect func() net.Conn) {
				nc := connect()
				var sending sync.WaitGroup
				sending.Go(func() {
					_, err := io.WriteString(nc, test.send)
					for err == nil && test.slowly != "" {
						time.Sleep(time.Second)
						_, err = io.WriteString(nc, test.slowly)
					}
				})
				got, took := ends(nc)
				nc.Close()
				sending.Wait()
				// The answer comes at the limit; then the server reads on for two seconds.
				if took < test.limit || took > test.limit+lingerLimit+4*sweepEvery {
					t.Errorf("it ends after %v, the limit is %v", took, test.limit)
				}
				if !strings.HasPrefix(got, test.want) || test.want == "" && got != "" {
					t.Errorf("got %q, want %q", got, test.want)
				}
				if begun, _ := s.app.counts(); begun != 0 {
					t.Error("it reached the application")
				}
			})
		})
	}
}

func TestAnIdleConnectionIsClosedInTime(t *testing.T) {
	const keep = 5 * time.Second
	virtual(t, func(c *appCall) { c.answer("200 OK", "x") }, func(t *testing.T, _ *served, connect func() net.Conn) {
		nc := connect()
		for range 3 { // each request begins the time anew
			roundTrip(t, nc, simpleGet)
			time.Sleep(keep - time.Second)
		}
		roundTrip(t, nc, simpleGet)
		rest, took := ends(nc)
		if rest != "" || took < keep || took > keep+4*sweepEvery {
			t.Errorf("it ends after %v with %q; the limit is %v", took, rest, keep)
		}
	}, func(c *Config) { c.KeepAlive = keep })
}

func TestARunningRequestHasNoDeadlineHere(t *testing.T) {
	virtual(t, func(c *appCall) {
		time.Sleep(time.Hour)
		c.answer("200 OK", "late")
	}, func(t *testing.T, _ *served, connect func() net.Conn) {
		if _, body := roundTrip(t, connect(), simpleGet); body != "late" {
			t.Errorf("answered %q", body)
		}
	})
}

func TestAClientThatReadsNothingIsGivenUp(t *testing.T) {
	virtual(t, func(c *appCall) {
		c.start("200 OK")
		c.block(make([]byte, 1<<10))
		for <-c.granted != wire.Cancelled {
		}
		c.fail()
	}, func(t *testing.T, s *served, connect func() net.Conn) {
		nc := connect()
		if _, err := io.WriteString(nc, simpleGet); err != nil {
			t.Fatal(err)
		}
		time.Sleep(writeLimit - time.Second)
		synctest.Wait()
		if s.Conns() != 1 {
			t.Error("it was given up too early")
		}
		time.Sleep(5 * time.Second)
		synctest.Wait()
		if s.Conns() != 0 || s.queued.Load() != 0 {
			t.Errorf("%d connections, %d bytes queued", s.Conns(), s.queued.Load())
		}
	})
}

func TestWithoutKeepAliveEachConnectionHasOneRequest(t *testing.T) {
	overEach(t, func(t *testing.T, over over) {
		s := over.serve(t, func(c *appCall) { c.answer("200 OK", "last") }, func(c *Config) { c.KeepAlive = 0 })
		c := over.connect(t, s)
		c.send(simpleGet)
		if got := date.ReplaceAllString(c.rest(), ""); got != lastResponse {
			t.Errorf("got %q", got)
		}
	})
}

func TestAtTheLimitOfConnectionsTheIdleOnesGo(t *testing.T) {
	overEach(t, func(t *testing.T, over over) {
		const most = 3
		s := over.serve(t, func(c *appCall) { c.answer("200 OK", "x") }, func(c *Config) { c.MaxConns = most })
		var idle []*client
		for range most {
			c := over.connect(t, s)
			c.send(simpleGet)
			c.response("GET")
			idle = append(idle, c)
		}
		waitFor(t, func() bool { return s.idle() == most })
		s.sweep(s.had.now()) // which notes since when they are idle
		for range 2 * most {
			c := over.connect(t, s)
			c.send(simpleGet)
			if res, _ := c.response("GET"); res.StatusCode != 200 {
				t.Errorf("status %d", res.StatusCode)
			}
			if n := s.Conns(); n > most {
				t.Errorf("%d connections, the limit is %d", n, most)
			}
		}
		for _, c := range idle {
			c.wantClosed()
		}
	})
}

// idle is the number of connections between requests.
func (s *served) idle() (n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := range s.conns {
		if c.stage.now() == stageIdle {
			n++
		}
	}
	return n
}

func TestShutdown(t *testing.T) {
	overEach(t, func(t *testing.T, over over) {
		release := make(chan struct{})
		begun := make(chan struct{}, 1)
		s := over.serve(t, func(c *appCall) {
			if c.environ["PATH_INFO"] == "/slow" {
				begun <- struct{}{}
				<-release
			}
			c.answer("200 OK", "done")
		})
		idle, running, silent := over.connect(t, s), over.connect(t, s), over.connect(t, s)
		idle.send(simpleGet)
		idle.response("GET")
		running.send("GET /slow HTTP/1.1\r\nHost: x\r\n\r\n")
		<-begun
		ended := make(chan error)
		go func() {
			ctx, cancel := testContext(t, 10*time.Second)
			defer cancel()
			ended <- s.Shutdown(ctx)
		}()
		waitFor(t, s.Draining)

		// An idle connection may send one more request, and is told that it is the last.
		idle.send(simpleGet)
		if res, body := idle.response("GET"); !res.Close || body != "done" {
			t.Errorf("answered %v, %q", res, body)
		}
		idle.wantClosed()
		close(release)
		if _, body := running.response("GET"); body != "done" {
			t.Errorf("answered %q", body)
		}
		running.wantClosed()
		silent.wantClosed() // within two seconds
		if err := <-ended; err != nil {
			t.Error(err)
		}
		if nc, err := net.Dial("tcp", s.addr); err == nil {
			nc.Close()
			t.Error("it still listens")
		}
	})
}

func TestAForcedShutdownWaitsForNobody(t *testing.T) {
	overEach(t, func(t *testing.T, over over) {
		begun, release := make(chan struct{}), make(chan struct{})
		s := over.serve(t, func(c *appCall) {
			begun <- struct{}{}
			<-release
			c.answer("200 OK", "")
		})
		c := over.connect(t, s)
		c.send(simpleGet)
		<-begun
		ctx, cancel := testContext(t, 0)
		defer cancel()
		if err := s.Shutdown(ctx); err == nil {
			t.Error("it says that all has ended")
		}
		c.wantClosed()
		close(release)
	})
}

// idleLimit is what an idle connection may cost in the server, bytes.
const idleLimit = 16 << 10

func TestIdleConnectionsCostLittle(t *testing.T) {
	const n = 500 // both ends are in this process
	s := serveApp(t, func(c *appCall) { c.answer("200 OK", "x") })
	ended := s.connect(t)
	ended.send(simpleGet)
	ended.response("GET")
	before := memory()
	conns := make([]net.Conn, n)
	buf := make([]byte, 1000)
	for i := range conns {
		conns[i] = s.dial(t)
		if _, err := io.WriteString(conns[i], simpleGet); err != nil {
			t.Fatal(err)
		}
		if _, err := conns[i].Read(buf); err != nil {
			t.Fatal(err)
		}
	}
	each := (memory() - before) / n
	t.Logf("an idle connection costs %d bytes of heap and stack, the client's end included", each)
	if each > idleLimit {
		t.Errorf("an idle connection costs %d bytes, the limit is %d", each, idleLimit)
	}
	runtime.KeepAlive(conns)
}

// memory is the heap and the stacks in use, after a collection.
func memory() int {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int(m.HeapAlloc + m.StackInuse)
}

// Connections on which nothing comes keep nobody out for long, though each may wait for times.head.
func TestSilentConnectionsMakeRoom(t *testing.T) {
	const most = 3
	overEach(t, func(t *testing.T, over over) {
		s := over.serve(t, answerEnviron, func(c *Config) { c.MaxConns, c.Hurry = most, 4 })
		for range most {
			s.dial(t)
		}
		waitFor(t, func() bool { return s.Conns() == most })
		began := time.Now()
		c := over.connect(t, s)
		c.send(simpleGet)
		if res, _ := c.response("GET"); res.StatusCode != 200 {
			t.Errorf("answered %s", res.Status)
		}
		if took := time.Since(began); over.tls && took >= s.times.handshake || !over.tls && took >= s.times.head {
			t.Errorf("it waits for %v", took)
		}
	})
}
