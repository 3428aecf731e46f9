package jobs

import (
	"context"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"girin/internal/jobs/job"
	"girin/internal/offload"
)

// quiet is a Logger that passes errors on to the test.
type quiet struct{ t *testing.T }

func (quiet) Debugf(string, ...any)               {}
func (quiet) Infof(string, ...any)                {}
func (quiet) Warningf(string, ...any)             {}
func (q quiet) Errorf(format string, args ...any) { q.t.Errorf(format, args...) }

// storeOf starts an engine, and opens a store in it.
func storeOf(t *testing.T) (*Node, *store) {
	t.Helper()
	engine, err := server.NewServer(&server.Options{Host: "127.0.0.1", Port: server.RANDOM_PORT, JetStream: true, StoreDir: t.TempDir(), NoSigs: true, NoLog: true})
	if err != nil {
		t.Fatal(err)
	}
	engine.Start()
	t.Cleanup(func() { engine.Shutdown(); engine.WaitForShutdown() })
	if !engine.ReadyForConnections(30 * time.Second) {
		t.Fatal("the engine does not start")
	}
	routes, err := offload.Parse([]string{"/job/*,both"})
	if err != nil {
		t.Fatal(err)
	}
	n := New(Config{App: "x", Version: "1", Routes: routes, MaxJobs: 100, Keep: time.Hour, Auth: Auth{Field: "Authorization"}, Clock: func() int64 { return time.Now().UnixNano() }, Log: quiet{t}})
	if n.nc, err = nats.Connect(engine.ClientURL()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(n.nc.Close)
	if n.js, err = jetstream.New(n.nc); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	if _, err := n.openStream(ctx, n.names.syncStream()); err != nil {
		t.Fatal(err)
	}
	s, err := n.openStore(ctx)
	if err != nil {
		t.Fatal(err)
	}
	n.store.Store(s)
	return n, s
}

// Of too many records the oldest go whose jobs have ended; none goes of which somebody waits
// for the end.
func TestOldRecordsAreTrimmed(t *testing.T) {
	n, s := storeOf(t)
	ctx := context.Background()
	var ids []job.ID
	for i := range 30 {
		rec := &job.Record{ID: job.NewID(), Status: job.Queued, Version: "1", Created: time.Now()}
		if err := s.accept(ctx, rec, []byte("message")); err != nil {
			t.Fatal(err)
		}
		ids = append(ids, rec.ID)
		if i%10 == 3 {
			continue // it goes on waiting
		}
		if _, changed, err := s.change(ctx, change{id: rec.ID, event: job.Withdrawn}); !changed || err != nil {
			t.Fatal(changed, err)
		}
	}
	n.recordsMost = 10
	n.trim(ctx)
	there := 0
	for i, id := range ids {
		_, err := s.get(ctx, id)
		if err == nil {
			there++
		}
		if waits := i%10 == 3; waits && err != nil {
			t.Errorf("job %d waits, and nothing is known of it: %v", i, err)
		}
		if i >= 24 && err != nil {
			t.Errorf("job %d is one of the last, and gone: %v", i, err)
		}
	}
	if there > 11 {
		t.Errorf("%d records are left", there)
	}
}

// What a client shows is worth nothing at another store, and the same after a new start.
func TestPrincipalsAreTheStores(t *testing.T) {
	n, s := storeOf(t)
	ctx := context.Background()
	again, err := n.openStore(ctx)
	if err != nil {
		t.Fatal(err)
	}
	_, other := storeOf(t)
	if string(s.secret) != string(again.secret) || string(s.secret) == string(other.secret) || len(s.secret) != 32 {
		t.Errorf("%x, %x, %x", s.secret, again.secret, other.secret)
	}
}

// A record that has ended goes by itself; one that has not stays.
func TestRecordsThatHaveEndedHaveALife(t *testing.T) {
	n, s := storeOf(t)
	ctx := context.Background()
	rec := &job.Record{ID: job.NewID(), Status: job.Queued, Version: "1", Created: time.Now()}
	if err := s.accept(ctx, rec, []byte("message")); err != nil {
		t.Fatal(err)
	}
	life := func() string {
		m, err := n.js.Stream(ctx, "KV_"+n.bucket("jobs"))
		if err != nil {
			t.Fatal(err)
		}
		last, err := m.GetLastMsgForSubject(ctx, n.recordSubject(rec.ID))
		if err != nil {
			t.Fatal(err)
		}
		return last.Header.Get("Nats-TTL")
	}
	if got := life(); got != "" {
		t.Errorf("a job that waits has the life %s", got)
	}
	if _, changed, err := s.change(ctx, change{id: rec.ID, event: job.Withdrawn}); !changed || err != nil {
		t.Fatal(changed, err)
	}
	if got := life(); got != "25h0m0s" {
		t.Errorf("a job that has ended has the life %q", got)
	}
	if _, changed, err := s.change(ctx, change{id: rec.ID, event: job.Retried}); !changed || err != nil || life() != "" {
		t.Errorf("one that waits again: %v, %v, %q", changed, err, life())
	}
}
