package sched

import (
	"testing"
	"testing/synctest"
	"time"

	"girin/internal/metrics"
	"girin/internal/wire"
)

// sumsOf finds a route's sums, and what its status says.
func (b *bench) sumsOf(t *testing.T, name string) (metrics.Sums, RouteStatus) {
	t.Helper()
	known, _ := b.Sums()
	for _, r := range known {
		if r.Name == name {
			for _, s := range b.Status().Routes {
				if s.Name == name {
					return r.Sums, s
				}
			}
		}
	}
	t.Fatalf("%q is not known", name)
	return metrics.Sums{}, RouteStatus{}
}

// A request that the application never answered counts, once, and as failed;
// whether its thread comes back or not.
func TestARequestThatIsGivenUpCountsOnce(t *testing.T) {
	for name, late := range map[string]func(b *bench, w *fakeWorker, id uint64){
		"its thread stays": func(*bench, *fakeWorker, uint64) {},
		"it answers late": func(b *bench, w *fakeWorker, id uint64) {
			b.Frame(w, answer(id, 2*time.Second), []byte("500 late"), nil)
		},
		"it streams late": func(b *bench, w *fakeWorker, id uint64) {
			b.Frame(w, &wire.Frame{ID: id, Kind: wire.Response}, []byte("500 late"), nil)
			b.Frame(w, &wire.Frame{ID: id, Kind: wire.Block, Flags: wire.Final}, nil, nil)
		},
		"its worker dies": func(b *bench, w *fakeWorker, _ uint64) { b.Died(w) },
	} {
		t.Run(name, inBubble(func(t *testing.T) {
			b, w, _, a, id, _ := runs(t, 2)
			time.Sleep(1100 * time.Millisecond)
			checkEnd(t, a, ErrTimeout)
			late(b, w, id)
			w.set(0, 0)
			synctest.Wait()
			sums, status := b.sumsOf(t, "GET /slow/*")
			if sums.Requests != 1 || sums.Failed != 1 || status.Count != 1 || status.Failed != 1 {
				t.Errorf("%+v; %+v", sums, status)
			}
		}))
	}
}

// A worker's death counts what it ran; an answer that it had begun, not twice.
func TestAWorkersDeathCountsOnce(t *testing.T) {
	for name, begun := range map[string]bool{"before the head": false, "after it": true} {
		t.Run(name, inBubble(func(t *testing.T) {
			b, w, _, _, id, _ := runs(t, 2)
			if begun {
				b.Frame(w, &wire.Frame{ID: id, Kind: wire.Response}, []byte("200 OK"), nil)
			}
			b.Died(w)
			if sums, _ := b.sumsOf(t, "GET /slow/*"); sums.Requests != 1 || sums.Failed != 1 {
				t.Errorf("%+v", sums)
			}
		}))
	}
}

// What routes that leave the table had is kept with the others, so that all add up.
func TestSumsAddUpWhenRoutesLeave(t *testing.T) {
	q := new(Queue)
	q.routes.init()
	table := &q.routes
	const posts = 2 * foldFrom
	for i := range posts {
		r := table.find([]byte("GET"), []byte("/posts/"+string(rune('a'+i%26))+string(rune('a'+i/26))))
		r.sums.answered(int64(time.Millisecond), false)
		r.sums.ran(100)
		table.answered(r, false).observe(100, 0)
	}
	known, all := q.Sums()
	for _, r := range known {
		all.Add(r.Sums)
	}
	if len(known) >= posts || all != (metrics.Sums{Requests: posts, Service: posts * 100 * time.Microsecond, Queue: posts * time.Millisecond}) {
		t.Errorf("%d routes, %+v", len(known), all)
	}
}
