package worker

import (
	"os"
	"slices"
	"testing"

	"girin/internal/wire"
)

// told empties an outbox.
func told(t *testing.T, o *outbox) (list []wire.Control) {
	t.Helper()
	for {
		m, ok := o.next()
		if !ok {
			return list
		}
		c, _, err := wire.ParseControl(m.bytes)
		if err != nil || (m.file != nil) != (c.Op == wire.Body) {
			t.Fatalf("%+v: %v", m, err)
		}
		list = append(list, c)
	}
}

// One Promote per millisecond to a worker that holds its lock once filled its outbox,
// and it was ended.
func TestAWorkerThatReadsNothingIsToldEachThingOnce(t *testing.T) {
	o := newOutbox()
	for i := range 100_000 {
		o.raise(tellPromote, nil)
		o.raise(tellPing, nil)
		o.raise(tellTerm, nil)
		o.raise(tellDrain, nil)
		o.raise(tellLanes, func() { o.lanes = uint32(i) })
		o.raise(tellDump, func() { o.dump = uint64(i) })
		for id := range uint64(3) {
			if !o.about(id, func(e *entry) { e.grant(10) }) {
				t.Fatal("it is full")
			}
		}
	}
	want := []wire.Control{
		{Op: wire.Lanes, N: 99_999}, {Op: wire.Promote}, {Op: wire.Ping}, {Op: wire.Dump, ID: 99_999}, {Op: wire.Term}, {Op: wire.Drain},
		{Op: wire.Credit, ID: 0, N: 1_000_000}, {Op: wire.Credit, ID: 1, N: 1_000_000}, {Op: wire.Credit, ID: 2, N: 1_000_000},
	}
	if got := told(t, o); !slices.Equal(got, want) {
		t.Errorf("told %v, want %v", got, want)
	}
}

func TestWhatARequestIsTold(t *testing.T) {
	body := func(e *entry) { e.body, e.length = os.Stdin, 9 }
	credit := func(e *entry) { e.grant(5) }
	cancel := func(e *entry) { e.grant(wire.Cancelled) }
	most := func(e *entry) { e.grant(wire.Cancelled - 2) }
	const id = 7
	for name, test := range map[string]struct {
		changes []func(*entry)
		want    []wire.Control
	}{
		"a body and credit":       {[]func(*entry){credit, body}, []wire.Control{{Op: wire.Body, ID: id}, {Op: wire.Credit, ID: id, N: 5}}},
		"cancelled":               {[]func(*entry){credit, cancel, body, credit}, []wire.Control{{Op: wire.Credit, ID: id, N: wire.Cancelled}}},
		"more than a message can": {[]func(*entry){most, credit}, []wire.Control{{Op: wire.Credit, ID: id, N: wire.Cancelled - 1}}},
	} {
		t.Run(name, func(t *testing.T) {
			o := newOutbox()
			for _, change := range test.changes {
				o.about(id, change)
			}
			if got := told(t, o); !slices.Equal(got, test.want) {
				t.Errorf("told %v, want %v", got, test.want)
			}
		})
	}
}

func TestAnOutboxIsBounded(t *testing.T) {
	o := newOutbox()
	for id := range uint64(outboxMost) {
		if !o.about(id, func(e *entry) { e.grant(1) }) {
			t.Fatalf("it is full with %d", id)
		}
	}
	if o.about(outboxMost, func(e *entry) { e.grant(1) }) {
		t.Error("it has no bound")
	}
	if n := len(told(t, o)); n != outboxMost || o.order != nil || len(o.requests) != 0 {
		t.Errorf("%d messages; %d requests are left", n, len(o.requests))
	}
}
