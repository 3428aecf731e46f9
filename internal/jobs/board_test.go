package jobs

import (
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"girin/internal/jobs/job"
)

// A page that is open for weeks knows no more jobs than the store.
func TestABoardForgets(t *testing.T) {
	n := &Node{recordsMost: 10}
	n.cfg.Keep = time.Hour
	known := map[job.ID]*job.Record{}
	add := func(status job.Status, ended time.Time) *job.Record {
		r := &job.Record{ID: job.NewID(), Status: status, Ended: ended}
		known[r.ID] = r
		return r
	}
	now := time.Now()
	old := add(job.Done, now.Add(-2*n.knownFor()))
	first, last := add(job.Done, now.Add(-time.Minute)), add(job.Dead, now)
	waits := add(job.Queued, time.Time{})
	n.forgetOld(known)
	if known[old.ID] != nil || len(known) != 3 {
		t.Fatalf("%d are known, of those one that has ended long ago: %v", len(known), known[old.ID] != nil)
	}
	for i := range n.recordsMost + trimmedMost {
		add(job.Done, now.Add(-time.Duration(i)*time.Millisecond))
	}
	n.forgetOld(known)
	if len(known) > n.recordsMost || known[first.ID] != nil || known[last.ID] == nil || known[waits.ID] == nil {
		t.Errorf("%d are known; the first %v, the last %v, one that waits %v", len(known), known[first.ID] != nil, known[last.ID] != nil, known[waits.ID] != nil)
	}
}

func TestADoctorTellsNoPasswords(t *testing.T) {
	for urls, want := range map[string]string{
		"nats://u:p@a:4222,nats://b:4222": "nats://a:4222,nats://b:4222", "u:p@a:4222": "a:4222", "tls://tok@n": "tls://n", "nats://a": "nats://a",
	} {
		if got := withoutPasswords(urls); got != want {
			t.Errorf("%s: %s", urls, got)
		}
	}
}

// Of however many jobs those are shown that come first.
func TestABoardShowsTheFirst(t *testing.T) {
	var first []*job.Record
	now := time.Now()
	for _, i := range rand.Perm(500) {
		first = keepFirst(first, &job.Record{Status: job.Done, Attempt: i, Ended: now.Add(-time.Duration(i) * time.Second)}, 25)
	}
	if len(first) != 25 {
		t.Fatalf("%d are shown", len(first))
	}
	for i, r := range first {
		if r.Attempt != i {
			t.Errorf("in place %d is the one that ended as number %d", i, r.Attempt)
		}
	}
}

// All who look see one board, which one reads for them; and nobody reads when nobody looks.
func TestABoardIsDrawnOnceForAll(t *testing.T) {
	n, s := storeOf(t)
	n.up.Store(true)
	records := &watched{KeyValue: s.records, watches: make(chan jetstream.KeyWatcher, 100)}
	s.records = records
	n.done.Go(n.drawBoards)
	defer func() { n.stop(); n.done.Wait() }()
	look := func() (leave func()) {
		leave = n.boards.enter()
		for {
			text, next := n.boards.latest()
			if strings.Contains(text, `"connected":true`) {
				return leave
			}
			await(t, next)
		}
	}
	var leave []func()
	for range 20 {
		leave = append(leave, look())
	}
	if len(records.watches) != 1 {
		t.Errorf("the records are read %d times", len(records.watches))
	}
	for _, leave := range leave {
		leave()
	}
	if n.boards.watched() {
		t.Error("somebody looks")
	}
	look()()
}
