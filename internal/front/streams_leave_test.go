package front

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/net/http2"

	"girin/internal/sched"
	"girin/internal/wire"
)

// wantNothingHeld waits until nothing is held for any request.
func (s *served) wantNothingHeld(t *testing.T) {
	t.Helper()
	var held string
	waitHeld := func() bool {
		held = fmt.Sprintf("queued %d, heads %d, inlined %d, spool %d files %d bytes, descriptors %d of %d connections, in flight %d, blocks %d",
			s.queued.Load(), s.heads.Load(), s.inlined.Load(), s.spool.Files(), s.spool.Bytes(), s.held.Load(), s.Conns(), s.app.queue.InFlight(), s.app.blocks())
		return held == fmt.Sprintf("queued 0, heads 0, inlined 0, spool 0 files 0 bytes, descriptors %d of %[1]d connections, in flight 0, blocks 0", s.Conns())
	}
	defer func() {
		if t.Failed() {
			t.Log(held)
		}
	}()
	waitFor(t, waitHeld)
}

// leaving is an application whose answers take all forms, and that waits for
// some requests until their client has gone.
func leaving(t *testing.T) func(*appCall) {
	path := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, make([]byte, 1<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	return func(c *appCall) {
		switch c.environ["PATH_INFO"] {
		case "/waits":
			c.frame(wire.Early, 0, headBlock("103 Early Hints", nil), nil) // or nobody would tell it
			c.cancelled(t)
			c.dropped()
		case "/streams":
			c.start("200 OK")
			c.block(make([]byte, 200_000))
			c.cancelled(t)
			c.fail()
		case "/large":
			c.answer("200 OK", strings.Repeat("x", 200_000))
		case "/file":
			f, err := os.Open(path)
			if err != nil {
				t.Error(err)
				return
			}
			frame := wire.Frame{ID: c.id, Kind: wire.Response, Flags: wire.Final}
			_ = c.app.queue.File(c.app, &frame, headBlock("200 OK", nil), sched.FileBody{File: f, Length: 1 << 20})
		default:
			c.answer("200 OK", fmt.Sprint(len(c.body)))
		}
	}
}

// Clients that leave, by a reset of the stream or by the end of the connection,
// leave nothing behind, whatever was just being done for them.
func TestHTTP2ClientsThatLeave(t *testing.T) {
	t.Run("before the application", func(t *testing.T) { clientsThatLeave(t, func(c *Config) { c.MaxBody = 0 }) })
	t.Run("beside it", func(t *testing.T) { clientsThatLeave(t, streaming) })
}

func clientsThatLeave(t *testing.T, how func(*Config)) {
	s, _ := serveHTTP2App(t, leaving(t), how)
	upload := func(n int, fields ...string) func(h *rawHTTP2) {
		return func(h *rawHTTP2) {
			h.send(1, false, append([]string{":method", "POST"}, fields...)...)
			for ; n > 0; n -= 16384 {
				_ = h.framer.WriteData(1, false, make([]byte, min(n, 16384)))
				if n%65536 == 0 { // as the window opens
					h.settle(t)
				}
			}
		}
	}
	for name, begin := range map[string]func(*rawHTTP2){
		"within a head": func(h *rawHTTP2) {
			_ = h.framer.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: []byte{0x82}})
		},
		"before the body":                 upload(0),
		"within a body in memory":         upload(20000),
		"within a body of a known length": upload(20000, "content-length", "500000"),
		"within a large body":             upload(60000, "content-length", "5000000"),
		"within a spooled body":           upload(196608),
		"while it waits":                  func(h *rawHTTP2) { h.get(1, "/waits") },
		"while it is answered":            func(h *rawHTTP2) { h.get(1, "/streams"); h.wantHead(t, 1, ":status", "200") },
		"with an answer left":             func(h *rawHTTP2) { h.get(1, "/large"); h.wantHead(t, 1, ":status", "200") },
		"within a file":                   func(h *rawHTTP2) { h.get(1, "/file"); h.wantHead(t, 1, ":status", "200"); h.data(t, 1, 1000) },
		"after a refusal": func(h *rawHTTP2) {
			h.send(1, false, "content-length", "x")
			h.wantReset(t, 1, http2.ErrCodeProtocol)
		},
	} {
		t.Run(name, func(t *testing.T) {
			h := s.dialHTTP2(t)
			begin(h)
			h.nc.Close()
			s.wantNothingHeld(t)
			if name == "within a head" {
				return // no other frame may follow
			}
			h = s.dialHTTP2(t)
			begin(h)
			if err := h.framer.WriteRSTStream(1, http2.ErrCodeCancel); err != nil {
				t.Fatal(err)
			}
			s.wantNothingHeld(t)
			h.still(t, 3)
		})
	}
}

// A file is sent from its own offset, whoever else reads it, and only as far as
// its client takes it; a client that pauses holds up nobody.
func TestHTTP2FilesAreReadAtOffsets(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	content := make([]byte, 300_000)
	for i := range content {
		content[i] = byte(i >> 8)
	}
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	shared, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer shared.Close()
	s, _ := serveHTTP2App(t, func(c *appCall) {
		f, err := dup(shared) // whose offset is the same one
		if err != nil {
			t.Error(err)
			return
		}
		frame := wire.Frame{ID: c.id, Kind: wire.Response, Flags: wire.Final}
		_ = c.app.queue.File(c.app, &frame, headBlock("200 OK", nil), sched.FileBody{File: f, Offset: 1000, Length: 290_000})
	})
	h := s.dialHTTP2(t, http2.Setting{ID: http2.SettingInitialWindowSize, Val: 50_000})
	_ = h.framer.WriteWindowUpdate(0, 1<<20)
	const n = 3
	for i := range uint32(n) {
		h.get(2*i+1, "/")
	}
	got := map[uint32][]byte{}
	ended := 0
	_, _ = shared.Seek(77, io.SeekStart)
	for ended < n {
		f, ok := h.read(t).(*http2.DataFrame)
		if !ok {
			continue
		}
		got[f.StreamID] = append(got[f.StreamID], f.Data()...)
		if len(f.Data()) > 0 {
			_ = h.framer.WriteWindowUpdate(f.StreamID, uint32(len(f.Data())))
		}
		if f.StreamEnded() {
			ended++
		}
	}
	for id, b := range got {
		if string(b) != string(content[1000:291_000]) {
			t.Errorf("stream %d got other bytes, %d of them", id, len(b))
		}
	}
	s.wantNothingHeld(t)
}

// Silent streams hold little, and their number is bounded over all connections:
// descriptors stay for others.
func TestHTTP2SilentStreams(t *testing.T) {
	const conns, each, files = 30, 100, 60
	s, _ := serveHTTP2App(t, func(c *appCall) { c.answer("200 OK", "") }, func(c *Config) { c.MaxFiles, c.MaxBody = files, 0 })
	before := heap()
	for range conns {
		h := s.dialHTTP2(t)
		for i := range uint32(each) {
			h.send(2*i+1, false, ":method", "POST")
		}
		h.settle(t)
	}
	if n := (heap() - before) / (conns * each); n > 10<<10 {
		t.Errorf("a silent stream holds %d bytes", n)
	}
	if n := s.held.Load(); n != conns {
		t.Errorf("%d descriptors are held", n)
	}
	s.dialHTTP2(t).still(t, 1)
	s.heads.Add(headsMost - 1) // as if there were as many as may be
	h := s.dialHTTP2(t)
	h.send(1, false, ":method", "POST")
	h.wantHead(t, 1, ":status", "503")
	s.heads.Add(1 - headsMost)
}

// Bodies that go on without end take no more files than there may be, and leave room
// for other connections.
func TestHTTP2ManySpooledBodies(t *testing.T) {
	const files = 20
	s, _ := serveHTTP2App(t, func(c *appCall) { c.answer("200 OK", "") }, func(c *Config) { c.MaxFiles, c.MaxBody = files, 0 })
	h := s.dialHTTP2(t)
	for i := range uint32(40) {
		id := 2*i + 1
		h.send(id, false, ":method", "POST")
		for range 8 {
			_ = h.framer.WriteData(id, false, make([]byte, 10000))
			h.settle(t)
		}
		if n := s.held.Load(); n > files/2+1 {
			t.Fatalf("%d descriptors are held", n)
		}
	}
	s.log.wait(t, "too many request bodies at once")
	s.dialHTTP2(t).still(t, 1)
	h.nc.Close()
	s.wantNothingHeld(t)
}
