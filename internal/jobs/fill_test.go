package jobs

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// What may soon be otherwise, or could not be seen, is looked at again a second later.
func TestWhatEndsTheCalm(t *testing.T) {
	n, _ := storeOf(t)
	n.up.Store(true)
	gone, leave := context.WithCancel(t.Context())
	leave()
	for what, do := range map[string]func(){
		"a job may come":                func() { _ = n.full(1) },
		"the store cannot be looked at": func() { n.measure(gone) },
		"its lines cannot be read":      func() { n.lookAtClasses(gone) },
	} {
		n.fill.stirred.Store(false)
		if do(); !n.fill.stirred.Load() {
			t.Errorf("%s, and it is calm", what)
		}
	}
}

// A server whose clock is set compares it with the engine's at once.
func TestAClockThatIsSetIsCompared(t *testing.T) {
	n, _ := storeOf(t)
	n.up.Store(true)
	var ahead atomic.Int64
	n.cfg.Wall = func() time.Time { return time.Now().Add(time.Duration(ahead.Load())) }
	go n.count()
	defer n.stop()
	time.Sleep(fillEvery + 500*time.Millisecond) // it has looked, and nothing happens
	ahead.Store(int64(time.Hour))
	for end := time.Now().Add(stillEvery / 2); n.behind.Load() == 0; time.Sleep(lookEvery) {
		if time.Now().After(end) {
			t.Fatal("it is an hour ahead, and does not know")
		}
	}
}

// hangingRecords is an engine that does not say how many records there are.
type hangingRecords struct{ jetstream.JetStream }

func (h hangingRecords) Stream(ctx context.Context, name string) (jetstream.Stream, error) {
	if name == "KV_girin-x-jobs" {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	return h.JetStream.Stream(ctx, name)
}

// Keys are trimmed also while it takes long to trim records.
func TestKeysAreTrimmedBesideRecords(t *testing.T) {
	n, s := storeOf(t)
	n.up.Store(true)
	n.recordsMost, n.cfg.MaxJobs = 1, 1
	for i := range 5 {
		if _, err := s.keys.PutString(t.Context(), fmt.Sprint(i), "{}"); err != nil {
			t.Fatal(err)
		}
	}
	n.js = hangingRecords{n.js}
	go n.count()
	defer n.stop()
	for end := time.Now().Add(stillEvery / 2); ; time.Sleep(lookEvery) {
		if left, err := s.keys.Keys(t.Context()); err == nil && len(left) == 2 {
			return
		} else if time.Now().After(end) {
			t.Fatal(left, err)
		}
	}
}
