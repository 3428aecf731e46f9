package sched

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"girin/internal/wire"
)

func TestWhatAWorkerMayNotSend(t *testing.T) {
	response := wire.Frame{Kind: wire.Response}
	block := wire.Frame{Kind: wire.Block}
	last := wire.Frame{Kind: wire.Block, Flags: wire.Final}
	fetch := wire.Frame{Kind: wire.Fetch}
	for name, test := range map[string]struct {
		before []wire.Frame
		frame  wire.Frame
		body   int
		other  bool // another worker sends it
	}{
		"a second head":                     {before: []wire.Frame{response}, frame: response},
		"a second whole answer":             {before: []wire.Frame{response}, frame: *answer(0, 0)},
		"a block before the head":           {frame: block},
		"the last block before the head":    {frame: last},
		"more than the window":              {frame: response, body: 1<<10 + 1},
		"more than the window at the end":   {before: []wire.Frame{response}, frame: last, body: 1<<10 + 1},
		"more than the window in one frame": {frame: *answer(0, 0), body: 1<<10 + 1},
		"dropped, but it is waited for":     {frame: wire.Frame{Kind: wire.Dropped, Flags: wire.Final}},
		"dropped after its head":            {before: []wire.Frame{response}, frame: wire.Frame{Kind: wire.Dropped, Flags: wire.Final}},
		"a body that is not in a file":      {frame: fetch},
		"an answer that another one began":  {before: []wire.Frame{response}, frame: last, other: true},
	} {
		t.Run(name, inBubble(func(t *testing.T) {
			b := newBench(t, 8, nil)
			w, other := newFakeWorker(1, 1), newFakeWorker(2, 1)
			b.Attach(w)
			b.Attach(other)
			c, a := b.call("/")
			b.submit(c)
			id := b.read().ID
			w.set(0, id)
			for _, f := range test.before {
				f.ID = id
				b.Frame(w, &f, nil, nil)
			}
			from := w
			if test.other {
				from = other
			}
			test.frame.ID = id
			b.refuses(from, &test.frame, make([]byte, test.body), nil)
			checkRuns(t, a)
			if len(a.body) > 0 {
				t.Errorf("%d bytes of it were passed on", len(a.body))
			}
			b.Died(w) // it is ended for it
			checkEnd(t, a, ErrWorkerDied)
		}))
	}
}

// An informational answer that comes too late, from a thread of the application's
// own, harms nobody.
func TestALateInformationalAnswerIsLeftOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, 8, nil)
		w := newFakeWorker(1, 1)
		b.Attach(w)
		c, a := b.call("/")
		b.submit(c)
		id := b.read().ID
		b.Frame(w, &wire.Frame{ID: id, Kind: wire.Response}, nil, nil)
		b.Frame(w, &wire.Frame{ID: id, Kind: wire.Early}, nil, nil)
		b.Frame(w, &wire.Frame{ID: id, Kind: wire.Block, Flags: wire.Final}, nil, nil)
		b.Frame(w, &wire.Frame{ID: id, Kind: wire.Early}, nil, nil)
		if checkEnd(t, a, nil); len(a.frames) != 2 {
			t.Errorf("%d frames were passed on, want 2", len(a.frames))
		}
	})
}

// TestAnySequenceOfFrames: whatever workers send for whatever requests, while clients
// leave and deadlines pass, what is passed on is one answer in its order, within the
// window; and when the workers were ended for it, nothing of any request is left.
func TestAnySequenceOfFrames(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		var faults []string
		steps := rapid.SliceOfN(rapid.Custom(drawFrameStep), 1, 60).Draw(r, "steps")
		synctest.Test(t, func(t *testing.T) { faults = runFrames(steps) })
		for _, fault := range faults {
			r.Error(fault)
		}
	})
}

type frameStep struct {
	What  string
	Call  int
	By    int
	Kind  wire.Kind
	Final bool
	Body  int
	More  int // of a WebSocket's message: what comes in further parts
}

func drawFrameStep(r *rapid.T) frameStep {
	return frameStep{
		What:  rapid.SampledFrom([]string{"frame", "frame", "frame", "frame", "frame", "cancel", "leave", "say", "grant", "submit", "die", "wait"}).Draw(r, "what"),
		Call:  rapid.IntRange(0, 3).Draw(r, "call"),
		By:    rapid.IntRange(0, 1).Draw(r, "by"),
		Kind:  wire.Kind(rapid.IntRange(int(wire.Response), int(wire.Taken)).Draw(r, "kind")),
		Final: rapid.Bool().Draw(r, "final"),
		Body:  rapid.SampledFrom([]int{0, 0, 1, 500, 1024, 1025}).Draw(r, "body"),
		More:  rapid.SampledFrom([]int{0, 0, 3, 2000}).Draw(r, "more"),
	}
}

// frame is the step's, in a form that passes wire.ParseFrame, and its body.
func (st *frameStep) frame(id uint64) (f *wire.Frame, body []byte) {
	f, body = &wire.Frame{ID: id, Kind: st.Kind}, make([]byte, st.Body)
	switch st.Kind {
	case wire.Response, wire.Block:
		if st.Final {
			f.Flags = wire.Final
		}
	case wire.Text, wire.Binary:
		f.Body = uint32(st.Body + st.More)
	case wire.Close:
		f.Flags, body = wire.Final, []byte{0xe8, 3}
	case wire.Taken:
		body = make([]byte, wire.TakenBytes)
	case wire.Dropped, wire.Failed:
		f.Flags, body = wire.Final, nil
	default:
		body = nil
	}
	return f, body
}

// orderly checks what is passed on of one answer.
type orderly struct {
	fakeAnswer
	socket  bool // a WebSocket is asked for
	granted int
	head    wire.Kind // Response or Accept; 0: there is none
	left    int       // of a message
	fault   string
}

func (o *orderly) Frame(f *wire.Frame, head, body []byte) {
	message := f.Kind == wire.Text || f.Kind == wire.Binary
	ends, _ := o.end()
	switch {
	case ends > 0:
		o.fault = fmt.Sprintf("%+v after the end", f)
	case !o.follows(f):
		o.fault = fmt.Sprintf("%+v after a head of kind %d, %d bytes of a message are missing", f, o.head, o.left)
	case message && len(o.body)-o.granted >= 1<<10 && len(body) > 0:
		o.fault = "a message where nothing is left of the window"
	}
	switch {
	case f.Kind == wire.Response, f.Kind == wire.Accept:
		o.head = f.Kind
	case message:
		o.left = int(f.Body) - len(body)
	case o.head == wire.Accept && f.Kind == wire.Block:
		o.left -= len(body)
	}
	if f.Kind != wire.Taken && f.Kind != wire.Close {
		o.fakeAnswer.Frame(f, head, body)
	} else {
		o.fakeAnswer.Frame(f, head, nil)
	}
	if o.head == wire.Response && len(o.body)-o.granted > 1<<10 {
		o.fault = fmt.Sprintf("%d bytes beyond those that were granted", len(o.body)-o.granted)
	}
}

// follows reports whether a frame may follow what came before.
func (o *orderly) follows(f *wire.Frame) bool {
	switch f.Kind {
	case wire.Response, wire.Early:
		return o.head == 0
	case wire.Accept:
		return o.head == 0 && o.socket
	case wire.Block:
		return o.head == wire.Response || o.head == wire.Accept && o.left > 0 && f.Flags&wire.Final == 0
	case wire.Text, wire.Binary, wire.Close, wire.Taken:
		return o.head == wire.Accept
	}
	return false
}

func (o *orderly) Fail(cause error) {
	if ends, _ := o.end(); ends > 0 {
		o.fault = "told twice"
	}
	o.fakeAnswer.Fail(cause)
}

// read returns how much more its client has read, now that it reads all there is.
func (o *orderly) read() int {
	o.mu.Lock()
	defer o.mu.Unlock()
	n := len(o.body) - o.granted
	if o.ends > 0 || n <= 0 {
		return 0
	}
	o.granted += n
	return n
}

func runFrames(steps []frameStep) (faults []string) {
	lane, arena := newFakeLane(64), newFakeArena()
	q := New(Config{
		Lane: lane, Arena: arena, Cells: 64, Waits: 100, Window: 1 << 10, Clock: clock,
		Deadlines: Deadlines{Timeout: time.Second, Grace: time.Minute, Overdue: func(Overdue) {}, Stuck: func(Worker, string) {}},
	})
	q.Start()
	workers := []*fakeWorker{newFakeWorker(1, 8), newFakeWorker(2, 8)}
	q.Attach(workers[0])
	q.Attach(workers[1])
	var calls []*Call
	var answers []*orderly
	dead := [2]bool{}
	submit := func(i int) {
		if dead[i%2] {
			return // nobody reads it
		}
		o := &orderly{socket: i%4 > 1}
		c := &Call{Answer: o, Form: wire.Joined, Request: make([]byte, wire.RequestHead, wire.MaxPacket), Route: q.Route([]byte("GET"), []byte("/")), Upgrade: o.socket}
		if i%2 == 1 {
			c.Body = make([]byte, wire.MaxPacket)
		}
		q.Register(c)
		if q.Submit(c) != nil {
			o.ends = 1
		}
		calls, answers = append(calls, c), append(answers, o)
		if lane.tryRead() != nil {
			workers[i%2].set(i%8, c.id())
		}
	}
	for i := range 4 {
		submit(i)
	}
	for i, st := range steps {
		k := len(calls) - 4 + st.Call
		w := workers[st.By]
		switch st.What {
		case "submit":
			submit(len(calls))
		case "cancel":
			q.Cancel(calls[k])
		case "leave":
			q.Leave(calls[k], Gone{Code: 1001})
		case "say":
			q.Say(calls[k], wire.TextCame, []byte("x"))
			q.Flush(calls[k])
		case "wait":
			time.Sleep(400 * time.Millisecond)
		case "grant":
			if n := answers[k].read(); n > 0 {
				q.Grant(calls[k], n)
			}
		case "die":
			if !dead[st.By] {
				dead[st.By] = true
				q.Died(w)
			}
		case "frame":
			if dead[st.By] {
				continue
			}
			id := calls[k].id()
			if i%13 == 12 {
				id = uint64(i) << 16
			}
			f, body := st.frame(id)
			err := q.Frame(w, f, nil, body)
			if err == nil && st.More > 0 && (st.Kind == wire.Text || st.Kind == wire.Binary) {
				// The rest of a message comes at once, as the worker's reader cuts it.
				err = q.Frame(w, &wire.Frame{ID: id, Kind: wire.Block}, nil, make([]byte, st.More))
			}
			if err != nil {
				dead[st.By] = true
				q.Died(w)
			}
		}
	}
	for i, w := range workers {
		if !dead[i] {
			q.Died(w)
		}
	}
	time.Sleep(10 * time.Second)
	synctest.Wait()
	all, _ := q.inFlight()
	if n := arena.blocks(); all != 0 || n != 0 || q.InFlight() != 0 {
		faults = append(faults, fmt.Sprintf("%d requests and %d blocks are left; %d count as waited for", all, n, q.InFlight()))
	}
	q.Close()
	for i, o := range answers {
		if o.fault != "" || o.ends != 1 {
			faults = append(faults, fmt.Sprintf("request %d: %s; it ended %d times", i, o.fault, o.ends))
		}
	}
	return faults
}
