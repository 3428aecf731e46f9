package jobs

import (
	"context"
	"encoding/json"
	"io"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"girin/internal/jobs/job"
)

// away is an engine with one record, which nobody reaches until a time.
type away struct {
	jetstream.KeyValue
	back   time.Time
	why    error // instead of silence; nil: silence
	text   []byte
	seq    uint64
	result []byte
}

func (a *away) reach(ctx context.Context) error {
	if !time.Now().Before(a.back) {
		return nil
	}
	if a.why != nil {
		return a.why
	}
	<-ctx.Done()
	return ctx.Err()
}

type entryOf struct {
	jetstream.KeyValueEntry
	text []byte
	seq  uint64
}

func (e entryOf) Value() []byte    { return e.text }
func (e entryOf) Revision() uint64 { return e.seq }
func (entryOf) Created() time.Time { return time.Time{} }

func (a *away) Get(ctx context.Context, _ string) (jetstream.KeyValueEntry, error) {
	return entryOf{text: a.text, seq: a.seq}, a.reach(ctx)
}

func (a *away) Put(ctx context.Context, _ string, value []byte) (uint64, error) {
	err := a.reach(ctx)
	if err == nil {
		a.result = value
	}
	return 1, err
}

func (a *away) Update(ctx context.Context, _ string, value []byte, _ uint64) (uint64, error) {
	return a.write(ctx, value)
}

type awayStreams struct {
	jetstream.JetStream
	away *away
}

func (a awayStreams) PublishMsg(ctx context.Context, m *nats.Msg, _ ...jetstream.PublishOpt) (*jetstream.PubAck, error) {
	seq, err := a.away.write(ctx, m.Data)
	return &jetstream.PubAck{Sequence: seq}, err
}

func (a *away) write(ctx context.Context, text []byte) (uint64, error) {
	err := a.reach(ctx)
	if err == nil {
		a.text, a.seq = text, a.seq+1
	}
	return a.seq, err
}

// thrownAway takes what nobody looks at.
type thrownAway struct{ jetstream.ObjectStore }

func (thrownAway) Put(context.Context, jetstream.ObjectMeta, io.Reader) (*jetstream.ObjectInfo, error) {
	return nil, nil
}

// saidLog is a Logger that keeps what is wrong.
type saidLog struct {
	quiet
	mu    sync.Mutex // warnings come from a timer
	lines []string   // guarded by mu
}

func (l *saidLog) say(format string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lines = append(l.lines, format)
}

func (l *saidLog) Warningf(format string, _ ...any) { l.say(format) }
func (l *saidLog) Errorf(format string, _ ...any)   { l.say(format) }

// said are the lines so far.
func (l *saidLog) said() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.lines)
}

// endsWhile lets a job that must not run twice end with an answer of so many bytes, and returns
// what its record says then.
func endsWhile(t *testing.T, a *away, size int) (r job.Record, log *saidLog) {
	t.Helper()
	log = &saidLog{quiet: quiet{t}}
	n := New(Config{App: "x", Version: "1", Keep: time.Hour, Clock: func() int64 { return time.Now().UnixNano() }, Log: log})
	defer n.stop()
	n.js = awayStreams{away: a}
	n.up.Store(true)
	rec := job.Record{ID: job.NewID(), Status: job.Running, Attempt: 1, Once: true, Node: n.name, Version: "1"}
	a.text, _ = json.Marshal(&rec)
	w := &workload{r: n.runner, s: &store{n: n, records: a, results: a, objects: thrownAway{}}, rec: rec, ended: make(chan struct{}), head: []byte("200 OK"), size: int64(size)}
	w.body.Write(make([]byte, size))
	w.m.Store(&nats.Msg{})
	w.end(nil)
	w.finish(nil)
	if err := json.Unmarshal(a.text, &r); err != nil {
		t.Fatal(err)
	}
	return r, log
}

// An answer is not given up while the engine is away: its job must not run a second time.
func TestTheEndOfAJobIsStoredWhenTheEngineIsBack(t *testing.T) {
	for _, size := range []int{10, 4 * smallMost} {
		synctest.Test(t, func(t *testing.T) {
			began := time.Now()
			a := &away{back: began.Add(10 * time.Minute)}
			r, log := endsWhile(t, a, size)
			if r.Status != job.Done || r.Code != 200 || len(r.Small)+len(a.result) != size {
				t.Errorf("%d bytes: it is %s, %d", size, r.Status, r.Code)
			}
			if late := time.Since(a.back); late > tryLimit+time.Second {
				t.Errorf("%d bytes: stored %v after the engine was back", size, late)
			}
			if len(log.said()) != 1 || !strings.Contains(log.said()[0], "it is tried until it does") {
				t.Errorf("%d bytes: %q", size, log.said())
			}
		})
	}
}

// What the engine does not want it does not get for ever: its slot is needed.
func TestAResultThatIsRefusedIsGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := &away{back: time.Now().Add(30 * time.Second), why: &jetstream.APIError{Code: 503, Description: "maximum bytes exceeded"}}
		r, log := endsWhile(t, a, 4*smallMost)
		if r.Status != job.Lost || r.Reason != "its result could not be stored" || len(log.said()) < 2 {
			t.Errorf("it is %s (%s): %q", r.Status, r.Reason, log.said())
		}
	})
}

// An engine that does not come back is not waited for until the end of time, and the log says
// what became of the job.
func TestTheEndOfAJobIsNotTriedForEver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, log := endsWhile(t, &away{back: time.Now().Add(48 * time.Hour)}, 4*smallMost)
		if r.Status != job.Running || len(log.said()) != 2 || !strings.Contains(log.said()[1], "has ended and that cannot be stored") {
			t.Errorf("it is %s: %q", r.Status, log.said())
		}
	})
}
