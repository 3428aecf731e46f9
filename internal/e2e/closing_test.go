package e2e_test

import (
	"bufio"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// crowd are clients that connect again and again, each for one request, and count
// how that ended.
type crowd struct {
	served, refused, broken, resets atomic.Int64
	stop                            chan struct{}
	all                             sync.WaitGroup

	mu  sync.Mutex
	why error // guarded by mu: of one that was broken
}

func newCrowd(n int, network, addr string) *crowd {
	c := &crowd{stop: make(chan struct{})}
	for range n {
		c.all.Go(func() {
			for {
				select {
				case <-c.stop:
					return
				default:
				}
				c.visit(network, addr)
			}
		})
	}
	return c
}

func (c *crowd) visit(network, addr string) {
	nc, err := net.DialTimeout(network, addr, limit)
	if err != nil {
		// Nobody listens, or for a unix socket: there is no such path.
		if !errors.Is(err, syscall.ECONNREFUSED) && !errors.Is(err, os.ErrNotExist) {
			c.broke(err)
		}
		c.refused.Add(1)
		time.Sleep(time.Millisecond)
		return
	}
	defer nc.Close()
	_ = nc.SetDeadline(time.Now().Add(limit))
	if _, err = nc.Write([]byte("GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")); err == nil {
		var res *http.Response
		if res, err = http.ReadResponse(bufio.NewReader(nc), nil); err == nil {
			res.Body.Close()
			if res.StatusCode != 200 {
				err = errors.New(res.Status)
			}
		}
	}
	if err != nil {
		c.broke(err)
		return
	}
	c.served.Add(1)
}

func (c *crowd) broke(err error) {
	c.broken.Add(1)
	if errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE) {
		c.resets.Add(1)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.why = err
}

func (c *crowd) leave() {
	close(c.stop)
	c.all.Wait()
}

// A server that ends at once answers nobody any more, but resets nobody either.
func TestAnEndAtOnceResetsNobody(t *testing.T) {
	for _, sig := range []syscall.Signal{syscall.SIGINT, syscall.SIGQUIT} {
		for range 3 {
			s := start(t, options{})
			c := newCrowd(24, "tcp", s.addr)
			for c.served.Load() < 48 {
				time.Sleep(time.Millisecond)
			}
			err := s.end(t, sig)
			c.leave()
			if err != nil || c.resets.Load() > 0 {
				t.Fatalf("girin ended with %v; %d clients were served, %d were reset", err, c.served.Load(), c.resets.Load())
			}
		}
	}
}

// No connection that a client has opened is reset because the server ends: it is
// served, or the next one is refused.
func TestAServerThatEndsResetsNobody(t *testing.T) {
	const clients = 24
	classes := [][]string{{"-k", "sync", "--threads", "1"}, {"-k", "gthread"}, {"-k", "gevent"}, {"-k", "auto"}}
	for name, bind := range map[string]string{"IPv4": "127.0.0.1:0", "IPv6": "[::1]:0", "unix": "unix:s"} {
		t.Run(name, func(t *testing.T) {
			dir, network, addr := t.TempDir(), "tcp", ""
			for _, class := range classes {
				if network, addr = "tcp", bind; name == "unix" {
					network, addr = "unix", filepath.Join(dir, "s")
				}
				at := addr
				if name == "unix" {
					at = "unix:" + addr
				}
				s := start(t, options{args: append([]string{"-b", at}, class...)})
				if name != "unix" {
					addr = strings.Fields(strings.TrimPrefix(strings.SplitAfter(s.wait(t, "Listening at: "), "Listening at: ")[1], "http://"))[0]
				}
				c := newCrowd(clients, network, addr)
				for c.served.Load() < 2*clients {
					time.Sleep(time.Millisecond)
				}
				err := s.end(t, syscall.SIGTERM)
				c.leave()
				if err != nil || c.broken.Load() > 0 {
					t.Fatalf("girin ended with %v; %d clients were served, %d refused, %d broken, one by %v", err, c.served.Load(), c.refused.Load(), c.broken.Load(), c.why)
				}
				if name == "unix" {
					if _, err := os.Lstat(addr); err == nil {
						t.Fatal("its path is left")
					}
				}
			}
		})
	}
}

// A server that ends leaves the path to one that has taken its place.
func TestAnEndRemovesOnlyItsOwnPath(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	s := start(t, options{args: []string{"-b", "unix:" + path}})
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	next, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer next.Close()
	if err := s.end(t, syscall.SIGTERM); err != nil {
		t.Error(err)
	}
	if _, err := os.Lstat(path); err != nil {
		t.Error("the next server's path is gone")
	}
}

// A server whose backlog is full lives: its socket is not taken over.
func TestABusySocketIsNotTakenOver(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	fd, err := syscall.Socket(syscall.AF_UNIX, syscall.SOCK_STREAM, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer syscall.Close(fd)
	if err := errors.Join(syscall.Bind(fd, &syscall.SockaddrUnix{Name: path}), syscall.Listen(fd, 0)); err != nil {
		t.Fatal(err)
	}
	for { // until nobody more may wait
		c, err := net.Dial("unix", path)
		if err != nil {
			break
		}
		defer c.Close()
	}
	s := launch(t, options{args: []string{"-b", "unix:" + path}})
	s.wait(t, "another server listens on")
	<-s.done
	if _, err := os.Lstat(path); s.err == nil || err != nil {
		t.Errorf("girin ended with %v; the path: %v", s.err, err)
	}
}

// Of servers that share a port one may end: who comes to it is served, by it or by
// the others.
func TestAServerThatSharesItsPortEndsUnnoticed(t *testing.T) {
	first := start(t, options{args: []string{"--reuse-port"}})
	start(t, options{args: []string{"--reuse-port", "-b", first.addr}})
	c := newCrowd(24, "tcp", first.addr)
	for c.served.Load() < 200 {
		time.Sleep(time.Millisecond)
	}
	err := first.end(t, syscall.SIGTERM)
	for served := c.served.Load(); c.served.Load() < served+200; {
		time.Sleep(time.Millisecond)
	}
	c.leave()
	if err != nil || c.broken.Load() > 0 || c.refused.Load() > 0 {
		t.Errorf("girin ended with %v; %d clients were served, %d refused, %d broken, one by %v", err, c.served.Load(), c.refused.Load(), c.broken.Load(), c.why)
	}
}

// The same through TLS, in both versions of HTTP: a client whose connection stands
// is answered.
func TestAServerThatEndsResetsNobodyThroughTLS(t *testing.T) {
	cert, key := certificate(t)
	for _, version := range []string{"h1", "h2"} {
		for range 3 {
			s := start(t, options{args: []string{"--certfile", cert, "--keyfile", key, "--http-protocols", "h2,h1"}})
			var served, broken atomic.Int64
			var why atomic.Pointer[error]
			stop := make(chan struct{})
			var all sync.WaitGroup
			for range 12 {
				all.Go(func() {
					for {
						select {
						case <-stop:
							return
						default:
						}
						res, err := visitTLS(s.addr, version)
						switch {
						case err == nil && res == 200:
							served.Add(1)
						case errors.Is(err, syscall.ECONNREFUSED):
							return
						default:
							if err == nil {
								err = errors.New(http.StatusText(res))
							}
							broken.Add(1)
							why.Store(&err)
						}
					}
				})
			}
			for served.Load() < 24 {
				time.Sleep(time.Millisecond)
			}
			err := s.end(t, syscall.SIGTERM)
			close(stop)
			all.Wait()
			if err != nil || broken.Load() > 0 {
				t.Fatalf("%s: girin ended with %v; %d clients were served, %d broken, one by %v", version, err, served.Load(), broken.Load(), *why.Load())
			}
		}
	}
}

func visitTLS(addr, version string) (status int, err error) {
	protocols := new(http.Protocols)
	protocols.SetHTTP1(version == "h1")
	protocols.SetHTTP2(version == "h2")
	client := &http.Client{Timeout: limit, Transport: &http.Transport{
		TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, Protocols: protocols,
	}}
	defer client.CloseIdleConnections()
	res, err := client.Get("https://" + addr + "/")
	if err != nil {
		return 0, err
	}
	defer res.Body.Close()
	_, err = io.Copy(io.Discard, res.Body)
	return res.StatusCode, err
}
