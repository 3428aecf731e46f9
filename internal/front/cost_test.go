package front

import (
	"bytes"
	"context"
	"crypto/tls"
	"io"
	"net"
	"os"
	"testing"
	"time"

	"girin/internal/http1"
	"girin/internal/logs"
	"girin/internal/sched"
	"girin/internal/wire"
)

// echo stands for a worker that answers at once and costs nothing of its own:
// lane, arena and worker in one. Its goroutine is the worker's reader.
type echo struct {
	queue *sched.Queue
	ids   chan uint64
	flags []byte
	frame wire.Frame
	head  []byte
	body  []byte
}

func (e *echo) TrySend(packet []byte) bool {
	r, _ := wire.ParseRequest(packet)
	e.ids <- r.ID
	return true
}
func (e *echo) Send(packet []byte) error              { e.TrySend(packet); return nil }
func (e *echo) Stop()                                 {}
func (e *echo) Unread() int                           { return 0 }
func (e *echo) Flags() []byte                         { return e.flags }
func (e *echo) Alloc(int) (b []byte, at int, ok bool) { return nil, 0, false }
func (e *echo) Free(int, int)                         {}
func (e *echo) PID() int                              { return 1 }
func (e *echo) Slots() int                            { return 1 }
func (e *echo) Slot(int) (id, began uint64)           { return 0, 0 }
func (e *echo) Promote()                              {}
func (e *echo) Dump(uint64)                           {}
func (e *echo) Say(wire.Inbound, []byte)              {}
func (e *echo) Flush()                                {}
func (e *echo) Heard() bool                           { return true }
func (e *echo) SendBody(uint64, *os.File, int64)      {}
func (e *echo) Used() int64                           { return 0 }
func (e *echo) Size() int64                           { return 256 << 20 }
func (e *echo) Blocks() int                           { return 0 }
func (e *echo) Grant(uint64, uint32)                  {}

// loop is a client of a front whose worker is an echo.
type loop struct {
	client  net.Conn
	request []byte
	buf     []byte
	body    int // its bytes in each response
	size    int // of a response, known with the first
}

// newLoop starts front, scheduler, echo and client; all end with the test.
func newLoop(t testing.TB) *loop {
	t.Helper()
	return newLoopOf(t, []byte("Hello, world!\n"), nil)
}

// newLoopOf is newLoop with another body, over TLS if there are keys.
func newLoopOf(t testing.TB, body []byte, keys *TLS) *loop {
	t.Helper()
	e := &echo{
		ids: make(chan uint64, 100), flags: make([]byte, wire.FlagTable),
		head: headBlock("200 OK", []string{"Content-Type", "text/plain"}), body: body,
		frame: wire.Frame{Kind: wire.Response, Flags: wire.Final | wire.Whole, Service: 10, CPU: wire.NotMeasured, Fields: 1},
	}
	e.frame.Head, e.frame.Body = uint32(len(e.head)), uint32(len(e.body))
	began := time.Now()
	clock := func() int64 { return 1 + int64(time.Since(began)) }
	e.queue = sched.New(sched.Config{Lane: e, Arena: e, Cells: 10, Waits: 100, Window: 1 << 18, Clock: clock})
	e.queue.Start()
	e.queue.Attach(e)
	log, err := logs.OpenError(logs.ErrorOptions{Target: logs.Target{Path: "-"}, Stderr: io.Discard})
	if err != nil {
		t.Fatal(err)
	}
	s := New(Config{
		Queue: e.queue, Asked: Asked{Limits: http1.DefaultLimits(), KeepAlive: time.Hour}, Log: log, Clock: clock,
		Ready: func() bool { return true }, TLS: keys,
	})
	s.Start()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s.Serve(l, 0)
	go e.answer()
	nc, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	if keys != nil {
		nc = tls.Client(nc, &tls.Config{InsecureSkipVerify: true})
	}
	t.Cleanup(func() {
		nc.Close()
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		if err := s.Shutdown(ctx); err != nil {
			t.Error(err)
		}
		e.queue.Close()
		close(e.ids)
		log.Close()
	})
	request := "GET / HTTP/1.1\r\nHost: localhost:8000\r\nUser-Agent: bench\r\nAccept: */*\r\n\r\n"
	return &loop{client: nc, request: []byte(request), buf: make([]byte, 64<<10), body: len(body)}
}

func (e *echo) answer() {
	for id := range e.ids {
		e.frame.ID = id
		if err := e.queue.Frame(e, &e.frame, e.head, e.body); err != nil {
			panic(err)
		}
	}
}

// once makes one request and reads its response.
func (l *loop) once() error {
	if _, err := l.client.Write(l.request); err != nil {
		return err
	}
	for n := 0; n == 0 || n < l.size; {
		m, err := l.client.Read(l.buf)
		if err != nil {
			return err
		}
		if l.size == 0 {
			l.size = bytes.Index(l.buf[:m], []byte("\r\n\r\n")) + 4 + l.body
		}
		n += m
	}
	return nil
}

// BenchmarkRequest is the whole way of a small request and its response through
// the front and the scheduler, over a real socket, without a worker's cost. The
// client's two system calls are included.
func BenchmarkRequest(b *testing.B) {
	l := newLoop(b)
	b.ReportAllocs()
	for b.Loop() {
		if err := l.once(); err != nil {
			b.Fatal(err)
		}
	}
}
