package logs

import (
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// timedWriter notes when it was written to.
type timedWriter struct {
	mu    sync.Mutex
	times []time.Time
	sizes []int
}

func (w *timedWriter) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.times, w.sizes = append(w.times, time.Now()), append(w.sizes, len(p))
	return len(p), nil
}

// A line is on its way within the delay, and at once when there is a batch.
func TestAccessLogDelay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		out := &timedWriter{}
		l, err := OpenAccess(AccessOptions{Target: Target{Path: "-"}, Format: combined(t), Stdout: out})
		if err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		l.Log(record())
		time.Sleep(accessDelay / 2)
		l.Log(record())
		time.Sleep(accessDelay)
		synctest.Wait()
		if len(out.times) != 1 || out.times[0].Sub(start) != accessDelay {
			t.Errorf("written at %v after %v, want once after %v", out.times, start, accessDelay)
		}
		begin := time.Now()
		for range accessBatch / 50 {
			l.Log(record())
		}
		synctest.Wait()
		if len(out.times) != 2 || !out.times[1].Equal(begin) || out.sizes[1] < accessBatch {
			t.Errorf("a batch was written at %v (%v bytes), want at %v", out.times, out.sizes, begin)
		}
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
	})
}
