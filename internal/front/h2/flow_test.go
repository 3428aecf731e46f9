package h2

import (
	"strings"
	"testing"
	"time"

	"golang.org/x/net/http2"
)

// settle waits until the client's frames so far have been taken.
func (h *client) settle() {
	h.t.Helper()
	h.must(0, h.WritePing(false, [8]byte{42}))
	_ = h.SetReadDeadline(time.Now().Add(10 * time.Second))
	for {
		f, err := h.ReadFrame()
		h.must(0, err)
		switch f := f.(type) {
		case *http2.PingFrame:
			if f.IsAck() {
				return
			}
		case *http2.DataFrame:
			h.t.Fatalf("data of stream %d: %d bytes", f.StreamID, f.Length)
		}
	}
}

func (h *client) wantData(id uint32, n int, ends bool) {
	h.t.Helper()
	got := h.next()
	f, ok := got.(*http2.DataFrame)
	if !ok || f.StreamID != id || len(f.Data()) != n || f.StreamEnded() != ends {
		h.t.Fatalf("want %d bytes of stream %d, got %v (%v)", n, id, f, got)
	}
}

func TestWindowsOfStreams(t *testing.T) {
	r := &rig{end: func(k *call) { k.answer(200, strings.Repeat("x", 1000)) }}
	h := serve(t, r).begin(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 10})
	h.request(1, true)
	h.next() // the head
	h.wantData(1, 10, false)
	h.must(0, h.WriteWindowUpdate(1, 1))
	h.wantData(1, 1, false)
	h.must(0, h.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 5})) // its window is -5 now
	h.must(0, h.WriteWindowUpdate(1, 5))
	h.settle()
	h.must(0, h.WriteWindowUpdate(1, 7))
	h.wantData(1, 7, false)
	h.must(0, h.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 100000}))
	h.wantData(1, 982, true)
	r.locked(func() {
		if k := r.calls[0]; k.moved != 990 || !k.over { // what was not sent at once
			t.Errorf("%d bytes moved, over: %v", k.moved, k.over)
		}
	})
}

// A client may count by its old windows until its settings are acknowledged
// (RFC 9113 section 6.5.3): httpx's does.
func TestSettingsAreAcknowledgedBeforeTheyAreUsed(t *testing.T) {
	r := &rig{end: func(k *call) { k.answer(200, strings.Repeat("x", 1000)) }}
	h := serve(t, r).begin(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 10})
	h.request(1, true)
	h.wantHeadAnd(1, 10)
	h.must(0, h.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 100}))
	_ = h.SetReadDeadline(time.Now().Add(10 * time.Second))
	for acknowledged := false; ; {
		f, err := h.ReadFrame()
		h.must(0, err)
		switch f := f.(type) {
		case *http2.SettingsFrame:
			acknowledged = acknowledged || f.IsAck()
		case *http2.DataFrame:
			if !acknowledged {
				t.Errorf("%d bytes came before the acknowledgement", f.Length)
			}
			return
		}
	}
}

// wantHeadAnd reads an answer's head and the first bytes of its body.
func (h *client) wantHeadAnd(id uint32, n int) {
	h.t.Helper()
	h.next()
	h.wantData(id, n, false)
	h.settle() // the first acknowledgement has come
}

func TestWindowOfTheConnection(t *testing.T) {
	r := &rig{end: func(k *call) { k.answer(200, strings.Repeat("x", 40000)) }}
	h := serve(t, r).begin()
	h.request(1, true)
	if _, body := h.answer(1); len(body) != 40000 {
		t.Fatalf("%d bytes", len(body))
	}
	h.request(3, true)
	h.next()
	h.wantData(3, 16384, false)
	h.wantData(3, 65535-40000-16384, false)
	h.request(5, true) // its head and its end need no window
	h.next()
	h.settle()
	h.must(0, h.WriteWindowUpdate(0, 1<<20))
	got := map[uint32]int{}
	for got[3] < 40000-25535 || got[5] < 40000 {
		f := h.next().(*http2.DataFrame)
		got[f.StreamID] += len(f.Data())
	}
}

// Without priorities large answers share the connection.
func TestAnswersInTurn(t *testing.T) {
	if order := orderOf(t, nil, 1, 3, 5); order != "135135135" {
		t.Errorf("the order is %s", order)
	}
}

func TestPriorities(t *testing.T) {
	for name, test := range map[string]struct {
		prios  map[uint32]string
		update string
		want   string
	}{
		"by urgency":                 {map[uint32]string{1: "u=5", 3: "u=0", 5: "u=3"}, "", "333555111"},
		"by number":                  {map[uint32]string{1: "u=3", 3: "", 5: ""}, "", "111333555"},
		"incremental ones in turn":   {map[uint32]string{1: "i", 3: "i=?1, u=3", 5: "u=3,i"}, "", "135135135"},
		"not incremental ones first": {map[uint32]string{1: "i", 3: "i", 5: "u=3"}, "", "555131313"},
		"nonsense is ignored":        {map[uint32]string{1: "u=9, i=7", 3: "u=?, x=1;y", 5: "=,;u"}, "", "111333555"},
		"an update counts for more":  {map[uint32]string{1: "u=1", 3: "u=2", 5: "u=3"}, "u=0", "555111333"},
		"a field overridden":         {map[uint32]string{1: "u=1, u=6", 3: "u=2", 5: "u=3"}, "", "333555111"},
	} {
		t.Run(name, func(t *testing.T) {
			order := orderOf(t, func(h *client, id uint32) []string {
				if id == 5 && test.update != "" {
					h.must(0, h.WritePriorityUpdate(5, test.update))
				}
				return []string{"priority", test.prios[id]}
			}, 1, 3, 5)
			if order != test.want {
				t.Errorf("the order is %s, want %s", order, test.want)
			}
		})
	}
}

// orderOf tells in which order the streams' answers of three frames come when
// the connection's window opens.
func orderOf(t *testing.T, fields func(*client, uint32) []string, ids ...uint32) string {
	t.Helper()
	r := &rig{end: func(k *call) { k.answer(200, strings.Repeat("x", 3*16384)) }}
	h := serve(t, r).begin(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 1 << 20})
	r.locked(func() { r.c.window = 0 })
	for _, id := range ids {
		var f []string
		if fields != nil {
			f = fields(h, id)
		}
		h.request(id, true, f...)
	}
	h.settle()
	h.must(0, h.WriteWindowUpdate(0, 1<<20))
	order := ""
	for len(order) < 3*len(ids) {
		f := h.next().(*http2.DataFrame)
		order += string(rune('0' + f.StreamID))
	}
	return order
}

// A client may send what was consumed, and no more.
func TestWindowsForTheClient(t *testing.T) {
	r := &rig{head: func(k *call) { k.keep = true }}
	h := serve(t, r, func(c *Config) { c.Window, c.ConnWindow = 100000, 150000 }).begin()
	h.must(0, h.WriteSettingsAck())
	h.request(1, false)
	h.request(3, false)
	send := func(id uint32, n int) {
		for ; n > 0; n -= 10000 {
			h.must(0, h.WriteData(id, false, make([]byte, min(n, 10000))))
		}
	}
	send(1, 100000)
	send(3, 50000)
	h.settle()
	r.locked(func() {
		r.calls[0].s.Consumed(60000)
		r.calls[1].s.Consumed(50000)
	})
	want := map[uint32]uint32{0: 110000, 1: 60000, 3: 50000}
	for len(want) > 0 {
		f, err := h.ReadFrame()
		h.must(0, err)
		if u, ok := f.(*http2.WindowUpdateFrame); ok {
			want[u.StreamID] -= u.Increment
			if want[u.StreamID] == 0 {
				delete(want, u.StreamID)
			}
		}
	}
	send(1, 60000)
	h.settle()
	send(1, 1)
	h.wantReset(1, http2.ErrCodeFlowControl)
}

// A client that takes nothing makes the server hold no more than it said, and
// after a while no more is read of it.
func TestAClientThatDoesNotRead(t *testing.T) {
	r := &rig{end: func(k *call) { k.answer(200, "", "x-large", strings.Repeat("~", 3000)) }, stuck: true}
	h := serve(t, r).begin()
	go func() {
		for id := uint32(1); id < 20000; id += 2 {
			if h.WriteHeaders(http2.HeadersFrameParam{StreamID: id, BlockFragment: h.encode(plain...), EndStream: true, EndHeaders: true}) != nil {
				return
			}
		}
	}()
	for waited := 0; waited < unreadMost; time.Sleep(time.Millisecond) {
		r.locked(func() { waited = r.Waiting() })
	}
	time.Sleep(50 * time.Millisecond) // it must not go on
	r.locked(func() {
		if n := r.Waiting(); n > unreadMost+outputSize+4096 {
			t.Errorf("%d bytes wait", n)
		}
		r.stuck = false
		r.Write(nil)
	})
	for range 100 {
		h.next()
	}
}
