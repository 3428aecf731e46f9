package h2

import (
	"bytes"
	"io"
	"sync"
	"testing"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// fuzzed is a client that sends some bytes, takes some of what it gets, and an
// application whose answers depend on the request.
type fuzzed struct {
	t       *testing.T
	mu      sync.Mutex
	c       *Conn
	in      []byte
	waiting int
	takes   int // bytes that the client takes at each look
	out     bytes.Buffer
	open    map[*fuzzCall]bool
}

type fuzzCall struct {
	f              *fuzzed
	s              Stream
	fields, bytes  int
	queued, moved  int
	headed, closed bool
}

func (f *fuzzed) Buffered() int { return len(f.in) }

func (f *fuzzed) Next(n int) ([]byte, error) {
	f.mu.Lock()
	f.waiting -= min(f.waiting, f.takes)
	f.c.Written()
	f.mu.Unlock()
	if len(f.in) == 0 {
		return nil, io.EOF
	}
	n = min(n, len(f.in), 7)
	b := f.in[:n]
	f.in = f.in[n:]
	return b, nil
}

func (f *fuzzed) Write(p []byte) { f.waiting += len(p); f.out.Write(p) }
func (f *fuzzed) Waiting() int   { return min(f.waiting, unreadMost) } // nobody would take more while Serve waits

func (k *fuzzCall) Field(name, value []byte) { k.fields++; k.bytes += len(value) }
func (k *fuzzCall) Data(p []byte) int        { k.bytes += len(p); return len(p) / 2 }
func (k *fuzzCall) End()                     {}
func (k *fuzzCall) Sent()                    {}
func (k *fuzzCall) Moved(n int)              { k.moved += n }

func (k *fuzzCall) Unread() int64 { return int64(k.fields%3) * 500 }

func (k *fuzzCall) Gone() {
	if k.closed {
		k.f.t.Error("gone after it was released")
	}
	k.s.Done()
}

func (k *fuzzCall) Released() {
	if k.closed || k.moved != k.queued {
		k.f.t.Errorf("released twice: %v, of %d bytes queued %d moved", k.closed, k.queued, k.moved)
	}
	k.closed = true
	delete(k.f.open, k)
}

func (k *fuzzCall) Head(ends, _ bool) {
	if k.headed {
		k.f.t.Error("two heads")
	}
	k.headed = true
	k.f.mu.Lock()
	defer k.f.mu.Unlock()
	if k.s.Closed() {
		return
	}
	switch k.bytes % 5 {
	case 0:
		k.s.Reset(http2.ErrCodeInternal)
	case 1:
		k.s.BeginHead(204)
		k.s.EndHead(true)
	case 2:
		k.s.BeginHead(103)
		k.s.Field([]byte("Link"), []byte("</a>"))
		k.s.EndHead(false)
		fallthrough
	case 3:
		k.s.BeginHead(200)
		k.s.Field([]byte("X-A"), bytes.Repeat([]byte("~"), 100*k.fields))
		k.s.EndHead(false)
		for i := range 3 {
			before := k.s.Queued()
			k.s.Write(make([]byte, 997*k.fields), i == 2)
			k.queued += max(k.s.Queued()-before, 0)
		}
	case 4: // it goes on until the client leaves
		k.s.Consumed(0)
		return
	}
	k.s.Done()
}

// FuzzConn holds whatever a client sends against what must be true of a
// connection and of what it writes.
func FuzzConn(f *testing.F) {
	for _, seed := range fuzzSeeds() {
		f.Add(seed, uint16(40000))
		f.Add(seed, uint16(10))
	}
	f.Fuzz(func(t *testing.T, in []byte, takes uint16) {
		z := &fuzzed{t: t, in: append([]byte(http2.ClientPreface), in...), takes: int(takes) + 1, open: map[*fuzzCall]bool{}}
		cfg := testConfig()
		cfg.MaxStreams = 5
		cfg.Open = func() (Request, *Stream) {
			k := &fuzzCall{f: z}
			z.open[k] = true
			return k, &k.s
		}
		z.c = New(cfg, &z.mu, z, z)
		if err := z.c.Serve(); err == nil {
			t.Error("Serve ended without a reason")
		}
		z.mu.Lock()
		defer z.mu.Unlock()
		if n := len(z.open); n > cfg.MaxStreams || n != z.c.Streams() {
			t.Errorf("%d streams are open, %d counted", n, z.c.Streams())
		}
		if n := z.c.Discarding(); n > cfg.MaxStreams {
			t.Errorf("%d streams are read on", n)
		}
		z.c.Close()
		if len(z.open) != 0 || z.c.Streams() != 0 || !z.c.ready.empty() {
			t.Errorf("%d streams are open, %d counted", len(z.open), z.c.Streams())
		}
		readable(t, z.out.Bytes())
	})
}

// readable checks that a client can read what was written.
func readable(t *testing.T, out []byte) {
	t.Helper()
	framer := http2.NewFramer(nil, bytes.NewReader(out))
	framer.SetMaxReadFrameSize(minFrame)
	framer.ReadMetaHeaders = hpack.NewDecoder(tableMost, nil)
	for {
		_, err := framer.ReadFrame()
		if err == io.EOF {
			return
		}
		if err != nil {
			t.Fatalf("what was written cannot be read: %v", err)
		}
	}
}

func fuzzSeeds() (seeds [][]byte) {
	var out bytes.Buffer
	h := &client{Framer: http2.NewFramer(&out, nil)}
	h.AllowIllegalWrites = true
	add := func(f func()) {
		out.Reset()
		h.enc = hpack.NewEncoder(&h.block)
		_ = h.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 1000})
		f()
		seeds = append(seeds, bytes.Clone(out.Bytes()))
	}
	add(func() {
		for id := uint32(1); id < 20; id += 2 {
			_ = h.tryRequest(id, id%4 == 1, "x", string(make([]byte, id)))
			_ = h.WriteData(id, true, make([]byte, 100))
			_ = h.WriteWindowUpdate(id, 5000)
			_ = h.WriteWindowUpdate(0, 5000)
		}
	})
	add(func() {
		_ = h.tryRequest(1, true, "priority", "u=1, i")
		_ = h.WritePriorityUpdate(3, "u=0")
		_ = h.tryRequest(3, true, "b", "abc")
		_ = h.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 0}, http2.Setting{ID: http2.SettingHeaderTableSize, Val: 0})
		_ = h.WriteRSTStream(1, http2.ErrCodeCancel)
		_ = h.WritePing(false, [8]byte{})
		_ = h.WriteGoAway(0, http2.ErrCodeNo, nil)
	})
	add(func() { // bodies that go on when they are answered
		for id := uint32(1); id < 20; id += 2 {
			_ = h.tryRequest(id, false, "x", string(make([]byte, id)))
			_ = h.WriteData(id, false, make([]byte, 300))
			_ = h.WriteData(id, id%4 == 1, make([]byte, 300))
			_ = h.tryRequest(id, id%8 == 3)
		}
	})
	return seeds
}
