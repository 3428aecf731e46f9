package h2

import (
	"bufio"
	"bytes"
	"io"
	"net"
	"sync"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// rig is a connection with an application that answers as its test says.
type rig struct {
	t    testing.TB
	mu   sync.Mutex
	c    *Conn
	nc   net.Conn
	src  *bufio.Reader
	head func(*call) // the head is complete
	end  func(*call) // the body is complete

	waiting []byte        // guarded by mu: what the writer has not taken
	stuck   bool          // guarded by mu: it takes nothing
	wake    chan struct{} // has room for one
	served  chan error
	calls   []*call // guarded by mu
}

// call is a request that the application has.
type call struct {
	r      *rig
	s      Stream
	fields []hpack.HeaderField
	later  []hpack.HeaderField // trailers
	ends   bool
	large  bool
	body   []byte
	keep   bool // its body is not consumed
	unread int64
	gone   bool
	moved  int
	sent   bool
	over   bool
	headed bool
}

func (k *call) Field(name, value []byte) {
	f := hpack.HeaderField{Name: string(name), Value: string(value)}
	if k.headed {
		k.later = append(k.later, f)
	} else {
		k.fields = append(k.fields, f)
	}
}

func (k *call) Head(ends, tooLarge bool) {
	k.headed, k.ends, k.large = true, ends, tooLarge
	if k.r.head != nil {
		k.r.head(k)
	}
	if ends {
		k.End()
	}
}

func (k *call) Data(p []byte) int {
	k.body = append(k.body, p...)
	if k.keep {
		return 0
	}
	return len(p)
}

func (k *call) End() {
	if k.r.end != nil {
		k.r.end(k)
	}
}

func (k *call) Unread() int64 { return k.unread }
func (k *call) Gone()         { k.gone = true }
func (k *call) Moved(n int)   { k.moved += n }
func (k *call) Sent()         { k.sent = true }
func (k *call) Released()     { k.over = true }

func (k *call) value(name string) string {
	for _, f := range k.fields {
		if f.Name == name {
			return f.Value
		}
	}
	return ""
}

// answer gives a whole answer.
func (k *call) answer(code int, body string, fields ...string) {
	k.r.locked(func() {
		k.s.BeginHead(code)
		for i := 0; i < len(fields); i += 2 {
			k.s.Field([]byte(fields[i]), []byte(fields[i+1]))
		}
		k.s.EndHead(body == "")
		if body != "" {
			k.s.Write([]byte(body), true)
		}
		k.s.Done()
	})
}

func (r *rig) locked(f func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	f()
	r.c.Flush()
}

func (r *rig) Buffered() int { return r.src.Buffered() }

func (r *rig) Next(n int) ([]byte, error) {
	if r.src.Buffered() == 0 {
		if _, err := r.src.Peek(1); err != nil {
			return nil, err
		}
	}
	b, err := r.src.Peek(min(n, r.src.Buffered()))
	_, _ = r.src.Discard(len(b))
	return b, err
}

func (r *rig) Write(p []byte) {
	r.waiting = append(r.waiting, p...)
	select {
	case r.wake <- struct{}{}:
	default:
	}
}

func (r *rig) Waiting() int { return len(r.waiting) }

// writer writes what waits, as the client takes it.
func (r *rig) writer(ended <-chan struct{}) {
	for {
		r.mu.Lock()
		b := r.waiting
		if r.stuck {
			b = nil
		}
		r.mu.Unlock()
		if len(b) == 0 {
			select {
			case <-r.wake:
			case <-ended:
				return
			}
			continue
		}
		n, err := r.nc.Write(b)
		r.mu.Lock()
		r.waiting = append([]byte(nil), r.waiting[n:]...)
		r.c.Written()
		r.mu.Unlock()
		if err != nil {
			return
		}
	}
}

func testConfig() Config {
	return Config{
		MaxStreams: 100, Window: 65535, ConnWindow: 4 * 65535, MaxFrame: 16384, MaxHeaderList: 65536,
		Clock: func() int64 { return time.Now().UnixNano() },
	}
}

// serve starts a connection and returns its other end.
func serve(t testing.TB, r *rig, change ...func(*Config)) *client {
	t.Helper()
	cfg := testConfig()
	cfg.Open = func() (Request, *Stream) {
		k := &call{r: r}
		r.calls = append(r.calls, k)
		return k, &k.s
	}
	for _, f := range change {
		f(&cfg)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	far, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	if r.nc, err = l.Accept(); err != nil {
		t.Fatal(err)
	}
	r.t, r.src, r.wake, r.served = t, bufio.NewReaderSize(r.nc, 4096), make(chan struct{}, 1), make(chan error, 1)
	r.c = New(cfg, &r.mu, r, r)
	ended := make(chan struct{})
	var done sync.WaitGroup
	done.Go(func() { r.writer(ended) })
	done.Go(func() {
		err := r.c.Serve()
		r.locked(func() {
			r.stuck = false
		})
		r.served <- err
	})
	t.Cleanup(func() {
		far.Close()
		r.nc.SetDeadline(time.Unix(1, 0))
		r.locked(r.c.Close)
		close(ended)
		done.Wait()
		r.nc.Close()
	})
	return dial(t, far)
}

// client sends what it is told to.
type client struct {
	t testing.TB
	net.Conn
	*http2.Framer
	block bytes.Buffer
	enc   *hpack.Encoder
}

func dial(t testing.TB, nc net.Conn) *client {
	h := &client{t: t, Conn: nc, Framer: http2.NewFramer(nc, bufio.NewReader(nc))}
	h.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
	h.enc = hpack.NewEncoder(&h.block)
	return h
}

// begin sends the preface and settings.
func (h *client) begin(settings ...http2.Setting) *client {
	h.must(0, ignore(io.WriteString(h.Conn, http2.ClientPreface)))
	h.must(0, h.WriteSettings(settings...))
	return h
}

func ignore[T any](_ T, err error) error { return err }

func (h *client) must(_ int, err error) {
	h.t.Helper()
	if err != nil {
		h.t.Fatal(err)
	}
}

func (h *client) encode(fields ...string) []byte {
	h.block.Reset()
	for i := 0; i < len(fields); i += 2 {
		_ = h.enc.WriteField(hpack.HeaderField{Name: fields[i], Value: fields[i+1]})
	}
	return h.block.Bytes()
}

var plain = []string{":method", "GET", ":scheme", "http", ":authority", "x", ":path", "/"}

// request sends a head.
func (h *client) request(id uint32, end bool, fields ...string) {
	h.t.Helper()
	h.must(0, h.tryRequest(id, end, fields...))
}

func (h *client) tryRequest(id uint32, end bool, fields ...string) error {
	return h.WriteHeaders(http2.HeadersFrameParam{
		StreamID: id, BlockFragment: h.encode(append(append([]string(nil), plain...), fields...)...), EndStream: end, EndHeaders: true,
	})
}

// next reads the next frame that is no SETTINGS, WINDOW_UPDATE or PING.
func (h *client) next() http2.Frame {
	h.t.Helper()
	_ = h.SetReadDeadline(time.Now().Add(10 * time.Second))
	for {
		f, err := h.ReadFrame()
		if err != nil {
			h.t.Fatalf("reading a frame: %v", err)
		}
		switch f.(type) {
		case *http2.SettingsFrame, *http2.WindowUpdateFrame, *http2.PingFrame:
		default:
			return f
		}
	}
}

// answer reads a stream's head and body, each of whose frames comes next.
func (h *client) answer(id uint32) (*http2.MetaHeadersFrame, string) {
	h.t.Helper()
	head, ok := h.next().(*http2.MetaHeadersFrame)
	if !ok || head.StreamID != id {
		h.t.Fatalf("not the head of stream %d: %v", id, head)
	}
	kept := *head
	kept.Fields = append([]hpack.HeaderField(nil), head.Fields...)
	if head.StreamEnded() {
		return &kept, ""
	}
	var body []byte
	for {
		data, ok := h.next().(*http2.DataFrame)
		if !ok || data.StreamID != id {
			h.t.Fatalf("not data of stream %d: %v", id, data)
		}
		body = append(body, data.Data()...)
		if data.StreamEnded() {
			return &kept, string(body)
		}
	}
}

// wantReset reads a stream's RST_STREAM.
func (h *client) wantReset(id uint32, code http2.ErrCode) {
	h.t.Helper()
	f, ok := h.next().(*http2.RSTStreamFrame)
	if !ok || f.StreamID != id || f.ErrCode != code {
		h.t.Errorf("want a reset of stream %d with %v, got %v", id, code, f)
	}
}

// wantAway reads up to GOAWAY.
func (h *client) wantAway(code http2.ErrCode) {
	h.t.Helper()
	for {
		if f, ok := h.next().(*http2.GoAwayFrame); ok {
			if f.ErrCode != code {
				h.t.Errorf("sent away with %v (%s), want %v", f.ErrCode, f.DebugData(), code)
			}
			return
		}
	}
}
