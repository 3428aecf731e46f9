package sched

import (
	"testing"
	"time"
)

// What is known of routes is the queue's, not a worker's: a new generation of
// workers begins with it, and with the roles that the load needs.
func TestAReloadKeepsWhatIsKnown(t *testing.T) {
	onCluster(t, two, func(t *testing.T, s *cluster) {
		wait := s.clients(8, 20*time.Second, "/compute", heavy)
		wait2 := s.clients(100, 20*time.Second, "/sleep", sleep)
		time.Sleep(10 * time.Second)
		workers, _, _ := s.count()
		limit := s.queue.Status().Routes[0].Limit
		old := map[*autoWorker]bool{}
		for _, w := range s.readers() {
			old[w] = true
		}
		s.reload()
		time.Sleep(s.cluster.Boot + 20*time.Millisecond)
		for _, w := range s.readers() {
			if old[w] {
				t.Error("an old worker still reads")
			}
		}
		from := len(s.jobs)
		again, compute, _ := s.count()
		if again != workers || compute != 2 {
			t.Errorf("%d workers after the reload and %d before; %d compute", again, workers, compute)
		}
		wait()
		wait2()
		for _, j := range s.jobs[from:] {
			if want := map[string]kind{"/compute": computing, "/sleep": waiting}[j.route]; j.kind != want {
				t.Fatalf("a request of %s is placed as %v", j.route, j.kind)
			}
		}
		if now := s.queue.Status().Routes[0].Limit; now < limit {
			t.Errorf("%s may wait %d times at once, before %d", s.queue.Status().Routes[0].Name, now, limit)
		}
	})
}

// Whatever clients ask for, the table stays as large as it is, and what is not
// in it is served.
func TestManyRoutesAreServed(t *testing.T) {
	onCluster(t, two, func(t *testing.T, s *cluster) {
		for i := range 2000 {
			_, j := s.ask("/"+string([]rune{rune('a' + i/676%26), rune('a' + i/26%26), rune('a' + i%26)}), quick)
			<-j.ended
		}
		if n := len(s.queue.Status().Routes); n > routeSets*routeWays {
			t.Errorf("%d routes are kept", n)
		}
	})
}
