package front

import (
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"girin/internal/logs"
)

// An application may keep one open file for all its answers: what one client
// has read of it is nothing to another. Descriptors that were passed on share
// their offset.
func TestAFileIsReadAtEachAnswersOwnOffset(t *testing.T) {
	for name, sendFile := range map[string]bool{"sendfile": true, "copied": false} {
		t.Run(name, func(t *testing.T) {
			overEach(t, func(t *testing.T, over over) {
				const size = 4 << 20
				shared := patternFile(t, t.TempDir(), size)
				defer shared.Close()
				s := over.serve(t, func(c *appCall) {
					fd, err := unix.Dup(int(shared.Fd()))
					if err != nil {
						t.Error(err)
					}
					if _, err := shared.Seek(rand.Int64N(size), io.SeekStart); err != nil {
						t.Error(err)
					}
					c.file(os.NewFile(uintptr(fd), "shared"), 0, size, "Content-Length", fmt.Sprint(size))
				}, func(c *Config) { c.SendFile = sendFile })
				var clients sync.WaitGroup
				for range 4 {
					c := over.connectNarrow(t, s)
					_ = c.SetDeadline(time.Now().Add(30 * time.Second))
					clients.Go(func() {
						for range 3 {
							body, err := c.get("/")
							if err != nil || !bytes.Equal(body, filling(0, size)) {
								t.Errorf("%d bytes, %v, or not in their places", len(body), err)
								return
							}
						}
					})
				}
				clients.Wait()
			})
		})
	}
}

// get asks for a path, for goroutines that must not end the test.
func (c *client) get(path string) ([]byte, error) {
	if _, err := io.WriteString(c, "GET "+path+" HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
		return nil, err
	}
	res, err := http.ReadResponse(c.in, nil)
	if err != nil {
		return nil, err
	}
	return io.ReadAll(res.Body)
}

// Without sendfile(2) a file waits in memory like any other answer.
func TestSendFileIsUsedAsTheSettingSays(t *testing.T) {
	for name, test := range map[string]struct {
		sendFile, copied bool
		over             over
	}{
		"on":           {true, false, transports["clear"]},
		"off":          {false, true, transports["clear"]},
		"on, with TLS": {true, true, transports["TLS"]},
	} {
		t.Run(name, func(t *testing.T) {
			const size = 32 << 20
			dir := t.TempDir()
			s := test.over.serve(t, func(c *appCall) {
				c.file(patternFile(t, dir, size), 0, size, "Content-Length", fmt.Sprint(size))
			}, func(c *Config) { c.SendFile = test.sendFile })
			c := test.over.connectNarrow(t, s)
			c.send(simpleGet)
			c.readByte()
			waiting := func() bool { return s.queued.Load() > 0 }
			if test.copied {
				waitFor(t, waiting)
				return
			}
			for range 100 {
				if time.Sleep(time.Millisecond); waiting() {
					t.Fatal("the file goes through memory")
				}
			}
		})
	}
}

// An interim response is not the response: not for deadlines, and not for the
// access log.
func TestAnInterimResponseIsNotTheResponse(t *testing.T) {
	overEach(t, func(t *testing.T, over over) {
		format, err := logs.ParseFormat(`%(s)s %(B)s %(r)s`)
		if err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(t.TempDir(), "access")
		access, err := logs.OpenAccess(logs.AccessOptions{Target: logs.Target{Path: path}, Format: format})
		if err != nil {
			t.Fatal(err)
		}
		s := over.serve(t, func(c *appCall) { c.answer("201 Created", "done") },
			func(c *Config) { c.Access, c.Hurry = access, hurry })
		c := over.connect(t, s)
		c.send("POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 200000\r\nExpect: 100-continue\r\n\r\n")
		if line := c.readLine(); line != "HTTP/1.1 100 Continue" {
			t.Fatalf("got %q", line)
		}
		c.readLine()
		c.sendSlowly(200_000, 3*newTimes(hurry, SocketOptions{}).linger+newTimes(hurry, SocketOptions{}).body)
		if res, body := c.response("POST"); res.StatusCode != 201 || body != "done" {
			t.Errorf("answered %v, %q", res, body)
		}
		c.Close()
		waitFor(t, func() bool { return s.Conns() == 0 })
		access.Close()
		if lines, _ := os.ReadFile(path); string(lines) != "201 4 POST /a HTTP/1.1\n" {
			t.Errorf("the access log has %q", lines)
		}
	})
}

// Clients that reset at any moment of an answer leave nothing behind.
func TestResetsDuringAnswers(t *testing.T) {
	overEach(t, func(t *testing.T, over over) {
		dir := t.TempDir()
		s := over.serve(t, func(c *appCall) {
			switch c.environ["PATH_INFO"] {
			case "/stream":
				c.stream(4 << 20)
			case "/file":
				c.file(patternFile(t, dir, 4<<20), 0, 4<<20, "Content-Length", fmt.Sprint(4<<20))
			default:
				c.answer("200 OK", string(bytes.Repeat([]byte("x"), 1<<20)))
			}
		})
		var clients sync.WaitGroup
		for i := range 150 {
			c := over.connectNarrow(t, s)
			path := []string{"/stream", "/file", "/whole"}[i%3]
			clients.Go(func() {
				_, _ = io.WriteString(c, "GET "+path+" HTTP/1.1\r\nHost: x\r\n\r\n")
				_, _ = io.CopyN(io.Discard, c.in, rand.Int64N(1<<20))
				c.reset()
			})
		}
		clients.Wait()
		waitFor(t, func() bool { return s.Conns() == 0 && s.app.queue.InFlight() == 0 && s.held.Load() == 0 })
		if n := s.queued.Load(); n != 0 {
			t.Errorf("%d bytes are counted as queued for nobody", n)
		}
	})
}

// What the front answers itself it answers to requests of every form, and the
// next request of the connection is served.
func TestOwnAnswersToRequestsWithABody(t *testing.T) {
	heads := map[string]string{
		"a body that comes later": "Content-Length: 70000\r\n\r\n",
		"a body that is awaited":  "Content-Length: 70000\r\nExpect: 100-continue\r\n\r\n",
		"chunks":                  "Transfer-Encoding: chunked\r\n\r\n",
	}
	for name, fields := range heads {
		for path, status := range map[string]int{"/health": 200, "/any": 500} {
			t.Run(name+" for "+path, func(t *testing.T) {
				overEach(t, func(t *testing.T, over over) {
					s := over.serve(t, func(c *appCall) { c.answer("200 OK", "last") },
						func(c *Config) { c.HealthPath = "/health" })
					if status == 500 {
						s.ShowFault("it is broken")
					}
					c := over.connect(t, s)
					c.send("POST " + path + " HTTP/1.1\r\nHost: x\r\n" + fields)
					if strings.Contains(fields, "Expect") {
						if c.readLine() != "HTTP/1.1 100 Continue" || c.readLine() != "" {
							t.Error("the body is not asked for")
						}
					}
					time.Sleep(10 * time.Millisecond) // the head alone is read
					body := strings.Repeat("x", 70_000)
					if name == "chunks" {
						body = "11170\r\n" + body + "\r\n0\r\n\r\n"
					}
					c.send(body)
					if res, _ := c.response("POST"); res.StatusCode != status || res.Close {
						t.Errorf("answered %v", res)
					}
					s.ShowFault("")
					c.send(simpleGet)
					c.wantAnswer("last")
				})
			})
		}
	}
}
