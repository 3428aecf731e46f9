package front

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"girin/internal/wire"
)

// bigAnswer gives an answer of size bytes as a worker does: no more than its
// window and the credit that it got. It reports whether the client wanted all.
func bigAnswer(c *appCall, size, window int, fields ...string) bool {
	c.start("200 OK", fields...)
	for at := 0; at < size; {
		for window <= 0 {
			n := <-c.granted
			if n == wire.Cancelled {
				c.fail()
				return false
			}
			window += int(n)
		}
		n := min(size-at, window, 64<<10)
		c.block(stripes(at, n))
		at += n
		window -= n
	}
	c.end()
	return true
}

// stripes are a part of bytes of which no two stretches are alike.
func stripes(at, n int) []byte {
	b := make([]byte, n)
	for i := range b {
		k := at + i
		b[i] = byte(k ^ k>>8*7 ^ k>>16*13)
	}
	return b
}

const testWindow = 256 << 10 // of newServed

// slowly makes a connection's socket take little.
func slowly(t *testing.T, nc net.Conn) {
	t.Helper()
	if err := nc.(*net.TCPConn).SetReadBuffer(16 << 10); err != nil {
		t.Fatal(err)
	}
}

// ways are how a client may connect, with what it takes to read an answer.
func ways(t *testing.T) map[string]func(t *testing.T, s *served) net.Conn {
	return map[string]func(t *testing.T, s *served) net.Conn{
		"clear": func(t *testing.T, s *served) net.Conn { nc := s.dial(t); slowly(t, nc); return nc },
		"TLS": func(t *testing.T, s *served) net.Conn {
			nc := s.dial(t)
			slowly(t, nc)
			return tls.Client(nc, &tls.Config{InsecureSkipVerify: true})
		},
	}
}

// The thread that gives a large answer is free long before its slow client has
// it, which still gets all of it. Whether its length is known changes nothing.
func TestASlowReaderHoldsNoThread(t *testing.T) {
	const size = 6 << 20
	for way, connect := range ways(t) {
		for kind, fields := range map[string][]string{"declared": {"Content-Length", fmt.Sprint(size)}, "in chunks": nil} {
			for _, copied := range []bool{false, true} {
				t.Run(fmt.Sprint(way, ", ", kind, ", copied ", copied), func(t *testing.T) {
					done := make(chan bool, 1)
					options := []func(*Config){func(c *Config) { c.SpoolResponse, c.SendFile = 1<<30, !copied }}
					if way == "TLS" {
						options = append(options, newAuthority(t).files(t).secure(t))
					}
					s := serveApp(t, func(c *appCall) { done <- bigAnswer(c, size, testWindow, fields...) }, options...)
					nc := connect(t, s)
					defer nc.Close()
					if _, err := io.WriteString(nc, simpleGet); err != nil {
						t.Fatal(err)
					}
					if !within(done, 5*time.Second) {
						t.Fatal("the answer still holds its thread")
					}
					if n := s.queued.Load(); n > writeStep+testWindow+64<<10 {
						t.Errorf("%d bytes of it are in memory", n)
					}
					if s.spool.Bytes() == 0 {
						t.Error("nothing of it is in a file")
					}
					c := &client{t: t, Conn: nc, in: bufio.NewReader(nc)}
					_, body := c.response("GET")
					if !bytes.Equal([]byte(body), stripes(0, size)) {
						t.Errorf("%d other bytes came", len(body))
					}
					waitFor(t, func() bool { return s.spool.Files() == 0 && s.queued.Load() == 0 })
				})
			}
		}
	}
}

// Over HTTP/2 too, for each of the streams whose windows the client keeps shut.
func TestASlowReaderOfStreamsHoldsNoThread(t *testing.T) {
	const size, streams = 6 << 20, 8
	done := make(chan bool, streams)
	s, client := serveHTTP2App(t, func(c *appCall) {
		if c.environ["PATH_INFO"] == "/quick" {
			c.answer("200 OK", "quick")
			return
		}
		done <- bigAnswer(c, size, testWindow)
	}, func(c *Config) { c.SpoolResponse = 1 << 30 })
	var all []*http.Response
	for range streams {
		res, err := client.Do(newRequest(t, "GET", s.url("/"), nil))
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		all = append(all, res)
	}
	for range streams {
		if !within(done, 5*time.Second) {
			t.Fatal("an answer still holds its thread")
		}
	}
	if n := s.queued.Load(); n > streams*(writeStep+testWindow+64<<10) {
		t.Errorf("%d bytes are in memory", n)
	}
	if n := s.spool.Bytes(); n < size { // the client itself takes 4 MiB of each
		t.Errorf("%d bytes are in files", n)
	}
	if _, body := fetch(t, client, newRequest(t, "GET", s.url("/quick"), nil)); body != "quick" {
		t.Errorf("beside them came %q", body)
	}
	for i, res := range all {
		if i%2 == 1 {
			res.Body.Close() // it leaves in the middle
			continue
		}
		body, err := io.ReadAll(res.Body)
		if err != nil || !bytes.Equal(body, stripes(0, size)) {
			t.Errorf("%d other bytes came, then %v", len(body), err)
		}
	}
	waitFor(t, func() bool { return s.spool.Files() == 0 && s.queued.Load() == 0 })
}

func within(done chan bool, d time.Duration) bool {
	select {
	case <-done:
		return true
	case <-time.After(d):
		return false
	}
}

// What never ends is bounded: by the option, then by its credit.
func TestAnEndlessAnswerIsBounded(t *testing.T) {
	const limit = 1 << 20
	ended := make(chan bool, 1)
	s := serveApp(t, func(c *appCall) { ended <- bigAnswer(c, 1<<40, testWindow) }, func(c *Config) { c.SpoolResponse = limit })
	nc := s.dial(t)
	slowly(t, nc)
	io.WriteString(nc, simpleGet)
	waitFor(t, func() bool { return s.spool.Bytes() >= limit })
	for range 20 {
		time.Sleep(10 * time.Millisecond)
		if n := s.spool.Bytes(); n > limit+2*testWindow {
			t.Fatalf("%d bytes are in its file", n)
		}
		if n := s.queued.Load(); n > 2*testWindow+writeStep {
			t.Fatalf("%d bytes are in memory", n)
		}
	}
	// As the client reads it goes on, and its file does not grow.
	c := &client{t: t, Conn: nc, in: bufio.NewReader(nc)}
	if _, err := c.in.Discard(200); err != nil { // the head
		t.Fatal(err)
	}
	if _, err := io.CopyN(io.Discard, c.in, 20<<20); err != nil {
		t.Fatal(err)
	}
	if n := s.spool.Bytes(); n > limit+2*testWindow+2<<20 {
		t.Errorf("%d bytes are in its file", n)
	}
	reset(t, nc)
	if <-ended {
		t.Error("it ended by itself")
	}
	waitFor(t, func() bool { return s.spool.Files() == 0 && s.queued.Load() == 0 })
}

// A stream that trickles needs no file, and a client that keeps up none either.
func TestWhoKeepsUpNeedsNoFile(t *testing.T) {
	opened, ready := make(chan int64, 1), make(chan struct{})
	s := serveApp(t, func(c *appCall) {
		<-ready
		most := int64(0)
		c.start("200 OK")
		for range 50 {
			c.block([]byte("data: x\n\n"))
			time.Sleep(2 * spillAfter)
			most = max(most, c.app.server.Load().spool.Files())
		}
		c.end()
		opened <- most
	}, func(c *Config) { c.SpoolResponse = 1 << 30 })
	s.app.server.Store(s.Server)
	close(ready)
	c := s.connect(t)
	c.send(simpleGet)
	if _, body := c.response("GET"); len(body) != 50*9 {
		t.Errorf("%d bytes came", len(body))
	}
	if n := <-opened; n != 0 {
		t.Errorf("%d files", n)
	}
}

var (
	noRoom        = func(c *Config) { c.SpoolDir, c.MemoryLeft = "/none", func() (int64, bool) { return 1 << 20, true } }
	noDescriptors = func(c *Config) { c.MaxFiles = 1 }
)

// Answers without room for their files wait in memory, and hold no thread: slow readers
// would stop the whole server where the disk is full.
func TestAnswersWithoutRoomForTheirFilesStayInMemory(t *testing.T) {
	for name, change := range map[string]func(*Config){"no room": noRoom, "no descriptors": noDescriptors} {
		overEach(t, func(t *testing.T, over over) {
			t.Run(name, func(t *testing.T) {
				const size = 8 << 20
				done := make(chan bool, 2)
				s := over.serve(t, func(c *appCall) { done <- bigAnswer(c, size, testWindow) }, spilling, change, func(c *Config) {
					c.MaxFiles *= 2 // a connection each
				})
				readers := []*client{over.connectNarrow(t, s), over.connectNarrow(t, s)}
				for _, c := range readers {
					c.send(simpleGet)
				}
				for range readers {
					if !within(done, 5*time.Second) {
						t.Fatal("a thread is held")
					}
				}
				for _, c := range readers {
					_ = c.SetDeadline(time.Now().Add(60 * time.Second))
					if _, body := c.response("GET"); !bytes.Equal([]byte(body), stripes(0, size)) {
						t.Errorf("%d other bytes came", len(body))
					}
				}
			})
		})
		for transport, over := range transports {
			t.Run("HTTP2/"+transport+"/"+name, func(t *testing.T) {
				const size = 8 << 20
				done := make(chan bool, 1)
				s := over.serveStreams(t, func(c *appCall) { done <- bigAnswer(c, size, testWindow) }, spilling, change)
				h := over.dialStreams(t, s)
				h.get(1, "/")
				if !within(done, 5*time.Second) {
					t.Fatal("a thread is held")
				}
				h.nc.Close()
				s.wantNothingHeld(t)
			})
		}
	}
}

// One that is larger than what may wait in memory leaves others half of that.
func TestOneAnswerLeavesOthersRoomInMemory(t *testing.T) {
	overEach(t, func(t *testing.T, over over) {
		const size = 8 << 20
		done := make(chan bool, 1)
		s := over.serve(t, func(c *appCall) {
			if c.environ["PATH_INFO"] == "/huge" {
				bigAnswer(c, 2*staysMost, testWindow)
				return
			}
			done <- bigAnswer(c, size, testWindow)
		}, spilling, noRoom)
		huge := over.connectNarrow(t, s)
		huge.send("GET /huge HTTP/1.1\r\nHost: x\r\n\r\n")
		waitFor(t, func() bool { return s.queued.Load() > staysMost/2-testWindow })
		time.Sleep(100 * time.Millisecond)
		over.connectNarrow(t, s).send(simpleGet)
		if !within(done, 5*time.Second) {
			t.Errorf("a thread is held: %d bytes wait", s.queued.Load())
		}
	})
}

// Beyond what may wait in memory an answer waits as it did without files, and nobody is
// the worse for it.
func TestAnAnswerWithoutRoomForItsFileWaits(t *testing.T) {
	for name, test := range map[string]struct {
		size, most int
		change     func(*Config)
	}{
		"no room":        {staysMost + 16<<20, staysMost, noRoom},
		"no descriptors": {staysMost + 16<<20, staysMost, noDescriptors},
		"none allowed":   {8 << 20, 0, func(c *Config) { c.SpoolResponse = 0 }},
	} {
		t.Run(name, func(t *testing.T) {
			size, change := test.size, test.change
			done := make(chan bool, 1)
			s := serveApp(t, func(c *appCall) { done <- bigAnswer(c, size, testWindow) }, func(c *Config) { c.SpoolResponse = 1 << 30 }, change)
			nc := s.dial(t)
			slowly(t, nc)
			io.WriteString(nc, simpleGet)
			waitFor(t, func() bool { return s.queued.Load() > 0 })
			if within(done, 200*time.Millisecond) {
				t.Error("all of it was taken")
			}
			if n := s.queued.Load(); n > int64(test.most+2*testWindow+writeStep) {
				t.Errorf("%d bytes are in memory", n)
			}
			c := &client{t: t, Conn: nc, in: bufio.NewReader(nc)}
			if _, body := c.response("GET"); !bytes.Equal([]byte(body), stripes(0, size)) {
				t.Errorf("%d other bytes came", len(body))
			}
			if !within(done, 5*time.Second) {
				t.Error("it did not end")
			}
		})
	}
}

// Clients that leave at any moment of a spilled answer leave nothing behind.
func TestClientsThatLeaveASpilledAnswer(t *testing.T) {
	const size = 4 << 20
	s := serveApp(t, func(c *appCall) { bigAnswer(c, size, testWindow) }, func(c *Config) { c.SpoolResponse = 1 << 30 })
	for i := range 60 {
		nc := s.dial(t)
		slowly(t, nc)
		io.WriteString(nc, simpleGet)
		io.CopyN(io.Discard, nc, int64(i%10)*10_000)
		time.Sleep(time.Duration(i%7) * time.Millisecond)
		if i%2 == 0 {
			reset(t, nc)
		} else {
			nc.Close()
		}
	}
	waitFor(t, func() bool {
		return s.Conns() == 0 && s.spool.Files() == 0 && s.queued.Load() == 0 && s.app.queue.InFlight() == 0
	})
}

// A client that reads nothing of a spilled answer is ended by the limit for
// writing; one that reads ever so slowly is not, whatever the limits.
func TestLimitsOfSpilledAnswers(t *testing.T) {
	const size = 12 << 20 // more than sockets hold
	s := serveApp(t, func(c *appCall) { bigAnswer(c, size, testWindow) }, func(c *Config) { c.SpoolResponse, c.Hurry = 1<<30, 60 })
	still, moving := s.dial(t), s.dial(t)
	slowly(t, still)
	slowly(t, moving)
	began := time.Now()
	io.WriteString(still, simpleGet)
	io.WriteString(moving, simpleGet)
	limit := s.times.write
	read := 0
	for time.Since(began) < 5*limit {
		n, err := moving.Read(make([]byte, 4000))
		read += n
		if err != nil {
			t.Fatalf("after %d bytes and %v: %v", read, time.Since(began), err)
		}
		time.Sleep(limit / 30)
	}
	if n := s.Conns(); n != 1 {
		t.Errorf("%d connections are left", n)
	}
	reset(t, moving)
	waitFor(t, func() bool { return s.spool.Files() == 0 })
}

// An answer that is cut is cut after what was spilled of it.
func TestASpilledAnswerThatFails(t *testing.T) {
	const size = 2 << 20
	s := serveApp(t, func(c *appCall) {
		c.start("200 OK")
		left := testWindow
		for at := 0; at < size; at += 64 << 10 {
			for left <= 0 {
				left += int(<-c.granted)
			}
			left -= 64 << 10
			c.block(stripes(at, 64<<10))
		}
		c.fail()
	}, func(c *Config) { c.SpoolResponse = 1 << 30 })
	nc := s.dial(t)
	slowly(t, nc)
	io.WriteString(nc, simpleGet)
	waitFor(t, func() bool { return s.app.queue.InFlight() == 0 })
	all, _ := io.ReadAll(nc)
	if strings.HasSuffix(string(all), "0\r\n\r\n") {
		t.Error("it looks whole")
	}
	if len(all) < size {
		t.Errorf("only %d bytes came", len(all))
	}
	waitFor(t, func() bool { return s.spool.Files() == 0 })
}

// A file as the answer still follows what was spilled before it on a connection.
func TestAFileAfterASpilledAnswer(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, stripes(0, 300_000), 0o600); err != nil {
		t.Fatal(err)
	}
	s := serveApp(t, func(c *appCall) {
		if c.environ["PATH_INFO"] == "/file" {
			f, err := os.Open(path)
			if err != nil {
				t.Error(err)
			}
			c.file(f, 0, 300_000)
			return
		}
		bigAnswer(c, 2<<20, testWindow)
	}, func(c *Config) { c.SpoolResponse, c.SendFile = 1<<30, true })
	nc := s.dial(t)
	slowly(t, nc)
	io.WriteString(nc, simpleGet+"GET /file HTTP/1.1\r\nHost: x\r\n\r\n"+simpleGet)
	waitFor(t, func() bool { return s.spool.Files() > 0 })
	c := &client{t: t, Conn: nc, in: bufio.NewReader(nc)}
	for i, size := range []int{2 << 20, 300_000, 2 << 20} {
		if _, body := c.response("GET"); !bytes.Equal([]byte(body), stripes(0, size)) {
			t.Errorf("answer %d: %d other bytes", i, len(body))
		}
	}
}
