package front

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"girin/internal/guard"
	"girin/internal/http1"
	"girin/internal/logs"
	"girin/internal/sched"
	"girin/internal/wire"
)

// newHealth starts a server that answers its health path, and no more.
func newHealth(t *testing.T, l net.Listener) *Server {
	t.Helper()
	e := &echo{flags: make([]byte, wire.FlagTable)}
	began := time.Now()
	clock := func() int64 { return 1 + int64(time.Since(began)) }
	queue := sched.New(sched.Config{Lane: e, Arena: e, Cells: 1000, Waits: 100, Window: 1 << 18, Clock: clock})
	log, err := logs.OpenError(logs.ErrorOptions{Target: logs.Target{Path: "-"}, Stderr: io.Discard})
	if err != nil {
		t.Fatal(err)
	}
	s := New(Config{
		Queue: queue, Asked: Asked{Limits: http1.DefaultLimits(), KeepAlive: time.Hour}, Log: log, Clock: clock,
		LivenessPath: "/health", Ready: func() bool { return true },
	})
	s.Start()
	s.Serve(l, 0)
	return s
}

// A client that has connected is answered, whenever the server closes: none is
// reset. Without the filter some 5 to 10 of these 24 clients were, at each close.
func TestAListenerThatClosesResetsNobody(t *testing.T) {
	const clients, closes = 24, 50
	for name, address := range map[string]string{"tcp": "127.0.0.1:0", "tcp6": "[::1]:0", "unix": filepath.Join(t.TempDir(), "s")} {
		t.Run(name, func(t *testing.T) {
			network := strings.TrimSuffix(name, "6")
			var served atomic.Int64
			for range closes {
				l, err := Listen(network, address, 0, ListenOptions{Backlog: 2048})
				if err != nil {
					t.Fatal(err)
				}
				s := newHealth(t, l)
				var all sync.WaitGroup
				var closing atomic.Bool
				busy := make(chan struct{}) // closed when each could be answered twice
				begun := served.Load()
				for range clients {
					all.Go(func() {
						for !t.Failed() {
							last := closing.Load()
							if askHealth(t, network, l.Addr().String()) {
								if served.Add(1) == begun+2*clients {
									close(busy)
								}
							} else if last {
								return
							} // else the machine was busy: it asks again, or there might be nobody left to
						}
					})
				}
				select {
				case <-busy:
				case <-time.After(20 * time.Second):
					t.Error("too few were served")
				}
				closing.Store(true)
				ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
				if err := s.Shutdown(ctx); err != nil {
					t.Error(err)
				}
				cancel()
				if all.Wait(); t.Failed() {
					return
				}
			}
			t.Logf("%d served", served.Load())
		})
	}
}

// askHealth makes a connection for one request, and reports whether there was one
// to be made. Whoever has connected must be answered.
func askHealth(t *testing.T, network, addr string) bool {
	nc, err := net.DialTimeout(network, addr, 50*time.Millisecond)
	if err != nil {
		// A dropped SYN comes again after a second: longer than is waited here.
		var slow net.Error
		if !errors.Is(err, syscall.ECONNREFUSED) && !errors.Is(err, os.ErrNotExist) && !(errors.As(err, &slow) && slow.Timeout()) {
			t.Error(err)
		}
		return false
	}
	defer nc.Close()
	_ = nc.SetDeadline(time.Now().Add(10 * time.Second))
	_, err = nc.Write([]byte("GET /health HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"))
	var answer []byte
	if err == nil {
		answer, err = io.ReadAll(nc)
	}
	if err != nil || !strings.HasPrefix(string(answer), "HTTP/1.1 200") {
		t.Errorf("answered %q, %v", answer, err)
		return false
	}
	return true
}

// A sweeper that panics is started again: connections are still ended.
func TestAPanicOfTheSweeperIsSurvived(t *testing.T) {
	log, err := logs.OpenError(logs.ErrorOptions{Target: logs.Target{Path: "-"}, Stderr: io.Discard})
	if err != nil {
		t.Fatal(err)
	}
	var looks atomic.Int64
	g := &guard.Guard{Log: log, End: func(why string) { t.Error(why) }}
	s := New(Config{Log: log, Guard: g, Clock: func() int64 {
		n := looks.Add(1)
		if n == 2 { // the first look is New's
			panic("it broke")
		}
		return n
	}})
	s.Start()
	for late := time.Now().Add(10 * time.Second); looks.Load() < 4; time.Sleep(time.Millisecond) {
		if time.Now().After(late) {
			t.Fatal("it looks no more")
		}
	}
	if n := g.Restarts()["the sweeper of connections"]; n != 1 {
		t.Errorf("%d restarts", n)
	}
	if err := s.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
}
