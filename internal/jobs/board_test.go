package jobs

import (
	"testing"
	"time"

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
