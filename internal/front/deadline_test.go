package front

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// Deadlines are tested at 1/200 of their length, and what may go on is watched
// for a hundred times that.
const (
	hurry = 200
	long  = 100
)

// starting has connections begin one by one: a first request has 100 ms.
var starting sync.Mutex

// start starts a server in a hurry and brings a connection to it into a stage.
func (o over) start(t *testing.T, to func(*client)) (s *served, c *client, w watch) {
	starting.Lock()
	defer starting.Unlock()
	s = o.serve(t, patterned(t), hurried, func(c *Config) { c.MaxBody, c.HealthPath = 0, "/health" })
	c = o.connectNarrow(t, s)
	w = s.watch()
	to(c)
	return s, c, w
}

// watch is when something began: by the clock, and in the time that the server's
// clients have had (see fairClock), which stands still while other processes run.
type watch struct {
	s    *served
	wall time.Time
	fair int64
}

func (s *served) watch() watch { return watch{s, time.Now(), s.had.now()} }

// ends judges that what began ends now: not before its limit, and soon after.
func (w watch) ends(t *testing.T, limit time.Duration) {
	t.Helper()
	wall, fair := time.Since(w.wall), time.Duration(w.s.had.now()-w.fair)
	if wall < limit-20*time.Millisecond || fair > limit+limit/2+2*time.Second {
		t.Errorf("it ends after %v, of which its client had %v; the limit is %v", wall, fair, limit)
	}
}

// hurried is a server whose limits are short, that for idle connections as well.
func hurried(c *Config) { c.Hurry, c.KeepAlive = hurry, idleFor }

const idleFor = 400 * time.Millisecond

// stand is a client that stands still in a stage: the connection must end
// when the stage's time is over, and not before.
type stand struct {
	limit time.Duration
	want  string        // prefix of what comes before the end
	to    func(*client) // brings the connection into the stage
	deaf  bool          // it reads the first bytes of an answer and then none
}

func TestWhatStandsStillEndsInTime(t *testing.T) {
	limits := newTimes(hurry, SocketOptions{})
	post := "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n"
	sends := func(text string) func(*client) { return func(c *client) { c.send(text) } }
	stands := map[string]stand{
		"new":                  {limits.head, "", sends(""), false},
		"head":                 {limits.head, "HTTP/1.1 408 ", sends("GET / HT"), false},
		"body":                 {limits.body, "HTTP/1.1 408 ", sends(post + "\r\n"), false},
		"body, in chunks":      {limits.body, "HTTP/1.1 408 ", sends("POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab"), false},
		"body that is awaited": {limits.body, "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 408 ", sends(post + "Expect: 100-continue\r\n\r\n"), false},
		"body after a request": {limits.body, "HTTP/1.1 200 OK", sends(simpleGet + post + "\r\n"), false},
		"body, for the health": {limits.body, "HTTP/1.1 408 ", sends("POST /health HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\n"), false},
		"idle":                 {idleFor, "HTTP/1.1 200 OK", sends(simpleGet), false},
		"linger":               {limits.linger, "HTTP/1.1 400 ", sends("GET / HTTP/1.1\r\n\r\n"), false},
		"answer":               {limits.write, "", sends("GET /stream HTTP/1.1\r\nHost: x\r\n\r\n"), true},
		"answer to HTTP/1.0":   {limits.write, "", sends("GET /stream HTTP/1.0\r\n\r\n"), true},
		"file":                 {limits.write, "", sends("GET /file HTTP/1.1\r\nHost: x\r\n\r\n"), true},
	}
	for transport, over := range transports {
		for name, st := range stands {
			t.Run(transport+"/"+name, func(t *testing.T) {
				t.Parallel()
				s, c, watch := over.start(t, func(c *client) {
					st.to(c)
					if st.deaf {
						c.readByte()
					}
				})
				var got []byte
				if !st.deaf {
					_ = c.SetReadDeadline(time.Now().Add(10 * time.Second))
					got, _ = io.ReadAll(c.in)
				}
				waitFor(t, func() bool { return s.Conns() == 0 })
				watch.ends(t, st.limit)
				if !bytes.HasPrefix(got, []byte(st.want)) {
					t.Errorf("got %q, want %q", got, st.want)
				}
			})
		}
	}
	for transport, over := range transports {
		for name, st := range streamsThatStandStill() {
			t.Run("HTTP/2, "+transport+"/"+name, func(t *testing.T) { over.standStill(t, st) })
		}
	}
	for name, hello := range map[string]string{"handshake": "", "handshake, begun": "\x16\x03\x01\x02\x00\x01"} {
		t.Run("TLS/"+name, func(t *testing.T) {
			t.Parallel()
			s := transports["TLS"].serve(t, patterned(t), hurried)
			nc := s.dial(t)
			watch := s.watch()
			if _, err := io.WriteString(nc, hello); err != nil {
				t.Fatal(err)
			}
			_, _ = io.Copy(io.Discard, nc)
			watch.ends(t, limits.handshake)
		})
	}
}

// A client that moves is not ended, however slow it is, and gets what it asked
// for. What was slow before has no part in what follows.
func TestWhatMovesGoesOn(t *testing.T) {
	limits := newTimes(hurry, SocketOptions{})
	const get, size = " HTTP/1.1\r\nHost: x\r\n\r\n", 2 << 20
	moves := map[string]move{
		"head": {"GET / HT", func(c *client) { // within its limit, which is not prolonged
			for _, part := range []string{"TP/1.1\r\nHo", "st: x\r\n", "\r\n"} {
				time.Sleep(limits.head / 10)
				c.send(part)
			}
			c.wantAnswer("a")
		}},
		"body": {fmt.Sprintf("POST /length HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n", size), func(c *client) {
			c.sendSlowly(size, long*limits.body)
			c.wantAnswer(fmt.Sprint(size))
		}},
		"body that is awaited, in chunks": {"POST /length HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nExpect: 100-continue\r\n\r\n", func(c *client) {
			if line := c.readLine(); line != "HTTP/1.1 100 Continue" {
				c.t.Fatalf("got %q", line)
			}
			c.readLine()
			c.send(fmt.Sprintf("%x\r\n", size))
			c.sendSlowly(size, long*limits.body)
			c.send("\r\n0\r\n\r\n")
			c.wantAnswer(fmt.Sprint(size))
		}},
		"busy": {"GET /slow" + get, func(c *client) { c.wantAnswer("late") }},
		"idle": {"GET /" + get, func(c *client) {
			for began := time.Now(); time.Since(began) < long*limits.head; time.Sleep(idleFor / 4) {
				c.wantAnswer("a")
				c.send(simpleGet)
			}
		}},
		"answer": {"GET /stream" + get, func(c *client) { c.readSlowly(largeAnswer, long*limits.write) }},
		"file":   {"GET /file" + get, func(c *client) { c.readSlowly(largeAnswer, long*limits.write) }},
		"requests after an answer that was drained": {"GET /stream/small" + get, func(c *client) { c.drainAndGoOn(limits.write) }},
		"requests after a file that was drained":    {"GET /file/small" + get, func(c *client) { c.drainAndGoOn(limits.write) }},
	}
	for transport, over := range transports {
		for name, move := range moves {
			t.Run(transport+"/"+name, func(t *testing.T) {
				t.Parallel()
				_, c, _ := over.start(t, func(c *client) { c.send(move.first) })
				_ = c.SetDeadline(time.Now().Add(2 * long * limits.write))
				move.then(c)
			})
		}
		for name, move := range streamsThatMove() {
			t.Run("HTTP/2, "+transport+"/"+name, func(t *testing.T) { over.goesOn(t, move) })
		}
	}
}

// move is a client that moves: what it sends when it has connected, and then.
type move struct {
	first string
	then  func(*client)
}

// drainAndGoOn reads a small answer slowly, and then makes requests for longer
// than its writing might have taken.
func (c *client) drainAndGoOn(limit time.Duration) {
	c.t.Helper()
	c.readSlowly(smallAnswer, 2*limit)
	for began := time.Now(); time.Since(began) < 3*limit; time.Sleep(idleFor / 4) {
		c.send(simpleGet)
		c.wantAnswer("a")
	}
}

// Of what the tests of deadlines are answered with, the large is more than a
// slow client takes while it is watched; it does not end before.
const largeAnswer, smallAnswer = 24 << 20, 6 << 20

// wholeAnswer is given in one piece; as slowly as tests take it, it does not end either.
const wholeAnswer = 200_000

func patterned(t *testing.T) func(*appCall) {
	t.Helper()
	return func(c *appCall) {
		switch path := c.environ["PATH_INFO"]; path {
		case "/slow":
			time.Sleep(long * newTimes(hurry, SocketOptions{}).head)
			c.answer("200 OK", "late")
		case "/length":
			c.answer("200 OK", fmt.Sprint(len(c.body)))
		case "/stream":
			c.stream(largeAnswer)
		case "/whole":
			c.answer("200 OK", string(filling(0, wholeAnswer)))
		case "/stream/small":
			c.stream(smallAnswer)
		case "/file", "/file/small":
			size := map[string]int{"/file": largeAnswer, "/file/small": smallAnswer}[path]
			c.file(patternFile(t, t.TempDir(), size), 0, int64(size), "Content-Length", fmt.Sprint(size))
		default:
			c.answer("200 OK", "a")
		}
	}
}

func patternFile(t *testing.T, dir string, size int) *os.File {
	f, err := os.Create(filepath.Join(dir, "pattern"))
	if err == nil {
		_, err = f.Write(filling(0, size))
	}
	if err != nil {
		t.Error(err)
	}
	return f
}

func (c *client) wantAnswer(want string) {
	c.t.Helper()
	if _, body := c.response("GET"); body != want {
		c.t.Fatalf("answered %q, want %q", body, want)
	}
}

func (c *client) readByte() {
	c.t.Helper()
	if _, err := c.in.ReadByte(); err != nil {
		c.t.Fatal(err)
	}
}

func (c *client) readLine() string {
	c.t.Helper()
	line, err := c.in.ReadString('\n')
	if err != nil {
		c.t.Fatal(err)
	}
	return strings.TrimRight(line, "\r\n")
}

// sendSlowly sends n bytes, spread over a time.
func (c *client) sendSlowly(n int, over time.Duration) {
	c.t.Helper()
	const parts = 500
	for i := range parts {
		if _, err := c.Write(make([]byte, n*(i+1)/parts-n*i/parts)); err != nil {
			c.t.Fatalf("after %d of %d parts: %v", i, parts, err)
		}
		time.Sleep(over / parts)
	}
}

// readSlowly reads an answer that is a pattern of n bytes so slowly for a while;
// then, if it is the small one, the rest as it comes.
func (c *client) readSlowly(n int, during time.Duration) {
	c.t.Helper()
	res, err := http.ReadResponse(c.in, nil)
	if err != nil {
		c.t.Fatal(err)
	}
	at := 0
	buf := make([]byte, 8<<10)
	read := func() error {
		n, err := io.ReadFull(res.Body, buf)
		for i := 0; i+8 <= n; i += 8 {
			if got := binary.BigEndian.Uint64(buf[i:]); got != uint64(at+i) {
				c.t.Fatalf("at %d there is what belongs to %d", at+i, got)
			}
		}
		at += n
		return err
	}
	for began := time.Now(); time.Since(began) < during; time.Sleep(20 * time.Millisecond) {
		if err := read(); err != nil {
			c.t.Fatalf("it ends at %d of %d, after %v: %v", at, n, time.Since(began), err)
		}
	}
	if n == largeAnswer {
		return
	}
	for err := error(nil); err == nil; {
		err = read()
	}
	if at != n {
		c.t.Fatalf("%d bytes of %d", at, n)
	}
}
