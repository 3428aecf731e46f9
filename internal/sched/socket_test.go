package sched

import (
	"testing"
	"time"

	"girin/internal/wire"
	"girin/internal/ws"
)

var accept = wire.Frame{Kind: wire.Accept}

// openSocket is a WebSocket that w has accepted. Its window is 1 KiB.
func openSocket(t *testing.T, b *bench, w *fakeWorker) (*Call, *fakeAnswer, uint64) {
	t.Helper()
	c, a := b.call("/")
	c.Upgrade = true
	b.submit(c)
	r := b.read()
	if r.Flags&wire.Upgrade == 0 {
		t.Fatal("the packet does not say that it asks for a WebSocket")
	}
	w.set(0, r.ID)
	f := accept
	f.ID = r.ID
	b.Frame(w, &f, []byte("101 Switching Protocols"), nil)
	return c, a, r.ID
}

func TestAMessageMayBeLargerThanWhatIsLeftOfTheWindow(t *testing.T) {
	inBubble(func(t *testing.T) {
		b := newBench(t, 8, nil)
		w := newFakeWorker(1, 1)
		b.Attach(w)
		c, a, id := openSocket(t, b, w)
		first := wire.Frame{ID: id, Kind: wire.Text, Body: 5000}
		b.Frame(w, &first, nil, make([]byte, 3000)) // in two parts
		b.Frame(w, &wire.Frame{ID: id, Kind: wire.Block}, nil, make([]byte, 2000))
		if len(a.body) != 5000 {
			t.Errorf("%d bytes of it were passed on", len(a.body))
		}
		b.Grant(c, 5000)
		b.Frame(w, &wire.Frame{ID: id, Kind: wire.Binary, Body: 1 << 10}, nil, make([]byte, 1<<10))
		b.refuses(w, &wire.Frame{ID: id, Kind: wire.Binary, Body: 1}, []byte{0}, errWindow)
	})(t)
}

func TestWhatSpeaksOfASocketWhereNoneIs(t *testing.T) {
	inBubble(func(t *testing.T) {
		b := newBench(t, 8, nil)
		w := newFakeWorker(1, 1)
		b.Attach(w)
		c, _ := b.call("/")
		b.submit(c)
		id := b.read().ID
		w.set(0, id)
		b.refuses(w, &wire.Frame{ID: id, Kind: wire.Accept}, nil, errNoSocket)
	})(t)
}

func TestWhatDoesNotFollowASocketsHead(t *testing.T) {
	denial := wire.Frame{Kind: wire.Response}
	for name, test := range map[string]struct {
		head, frame wire.Frame
		body        int
		want        error
	}{
		"a message after a denial":    {denial, wire.Frame{Kind: wire.Text, Body: 1}, 1, errNoSocket},
		"a close after a denial":      {denial, wire.Frame{Kind: wire.Close, Flags: wire.Final}, wire.CloseCode, errNoSocket},
		"a count after a denial":      {denial, wire.Frame{Kind: wire.Taken}, wire.TakenBytes, errNoSocket},
		"a body after an acceptance":  {accept, wire.Frame{Kind: wire.Block}, 1, errNoMessage},
		"its end after an acceptance": {accept, wire.Frame{Kind: wire.Block, Flags: wire.Final}, 0, errNoMessage},
	} {
		t.Run(name, inBubble(func(t *testing.T) {
			b := newBench(t, 8, nil)
			w := newFakeWorker(1, 1)
			b.Attach(w)
			c, a := b.call("/")
			c.Upgrade = true
			b.submit(c)
			test.head.ID = b.read().ID
			w.set(0, test.head.ID)
			b.Frame(w, &test.head, []byte("403 Forbidden"), nil)
			test.frame.ID = test.head.ID
			b.refuses(w, &test.frame, make([]byte, test.body), test.want)
			b.Died(w)
			checkEnd(t, a, ErrWorkerDied)
		}))
	}
}

func TestTheApplicationIsToldWhyItsClientHasGone(t *testing.T) {
	for name, leave := range map[string]struct {
		by   func(b *bench, c *Call)
		code uint16
	}{
		"its code":      {func(b *bench, c *Call) { b.Leave(c, Gone{Code: 4001, Reason: "bye"}) }, 4001},
		"no code known": {func(b *bench, c *Call) { b.Cancel(c) }, ws.CodeAbnormal},
	} {
		t.Run(name, inBubble(func(t *testing.T) {
			b := newBench(t, 8, nil)
			w := newFakeWorker(1, 1)
			b.Attach(w)
			c, _, id := openSocket(t, b, w)
			b.Say(c, wire.TextCame, []byte("hello"))
			leave.by(b, c)
			b.Say(c, wire.TextCame, []byte("too late"))
			b.Frame(w, &wire.Frame{ID: id, Kind: wire.Taken}, nil, make([]byte, wire.TakenBytes))
			b.Frame(w, &wire.Frame{ID: id, Kind: wire.Text, Body: 1}, nil, []byte("x"))
			if len(w.said) != 2 || w.said[0].data != "hello" || w.said[1].f.Kind != wire.Gone || w.said[1].f.Code != leave.code || w.said[1].f.ID != id {
				t.Errorf("it was told %+v", w.said)
			}
			if len(w.grants) > 0 {
				t.Errorf("it was told %v on the control socket, where that may overtake the code", w.grants)
			}
			b.Frame(w, &wire.Frame{ID: id, Kind: wire.Close, Flags: wire.Final}, nil, []byte{0xe8, 3})
			if c.InFlight() {
				t.Error("it has not ended")
			}
		}))
	}
}

func TestAnOpenSocketHasNoTimeout(t *testing.T) {
	inBubble(func(t *testing.T) {
		b := newBench(t, 8, func(c *Config) { c.Deadlines.Timeout = time.Second })
		w := newFakeWorker(1, 1)
		b.Attach(w)
		c, a, _ := openSocket(t, b, w)
		time.Sleep(time.Hour)
		if a.ends > 0 || !c.InFlight() {
			t.Errorf("it was ended: %v", a.cause)
		}
	})(t)
}

// What an application says that it has received may come when its socket has ended.
func TestACountThatComesTooLateIsLeftOut(t *testing.T) {
	inBubble(func(t *testing.T) {
		b := newBench(t, 8, nil)
		w := newFakeWorker(1, 1)
		b.Attach(w)
		_, a, id := openSocket(t, b, w)
		b.Frame(w, &wire.Frame{ID: id, Kind: wire.Close, Flags: wire.Final}, nil, []byte{0xe8, 3})
		b.Frame(w, &wire.Frame{ID: id, Kind: wire.Taken}, nil, make([]byte, wire.TakenBytes))
		checkEnd(t, a, nil)
	})(t)
}

// Whoever waits for a client to read has no time limit; once the client has left
// nothing excuses it any more.
func TestAClientThatLeftExcusesNobody(t *testing.T) {
	for name, head := range map[string]wire.Frame{
		"a WebSocket": {Kind: wire.Accept},
		"an answer":   {Kind: wire.Response},
	} {
		t.Run(name, inBubble(func(t *testing.T) {
			b := newBench(t, 8, func(c *Config) {
				c.Deadlines = (&reports{}).deadlines(time.Second, 3*time.Second)
			})
			w := newFakeWorker(1, 1)
			b.Attach(w)
			c, a := b.call("/")
			c.Upgrade = head.Kind == wire.Accept
			b.submit(c)
			id := b.read().ID
			w.set(0, id)
			head.ID = id
			b.Frame(w, &head, []byte("200 OK"), nil)
			full := wire.Frame{ID: id, Kind: wire.Block}
			if c.Upgrade {
				full.Kind, full.Body = wire.Binary, 1<<10
			}
			b.Frame(w, &full, nil, make([]byte, 1<<10))
			time.Sleep(time.Hour)
			if checkRuns(t, a); !c.in(id, answering) {
				t.Fatal("it was given up while its client did not read")
			}
			b.Cancel(c)
			time.Sleep(900 * time.Millisecond)
			if !c.in(id, left) {
				t.Error("it had no time to end")
			}
			time.Sleep(300 * time.Millisecond)
			if !c.in(id, overdue) {
				t.Error("its place is taken for ever")
			}
		}))
	}
}
