package serve

import (
	"testing"
	"time"
)

func TestStacksAreAskedForOncePerWorkerAndMoment(t *testing.T) {
	var s stacks
	now := time.Unix(1000, 0)
	for _, step := range []struct {
		pid   int
		after time.Duration
		want  bool
	}{
		{1, 0, true}, {1, 0, false}, {2, 0, true}, {1, time.Second, false}, {2, 0, false},
		{1, stacksEvery, true}, {1, 0, false}, {2, 0, true},
	} {
		now = now.Add(step.after)
		if got := s.ask(step.pid, now); got != step.want {
			t.Errorf("worker %d at %v: %v", step.pid, now.Sub(time.Unix(1000, 0)), got)
		}
	}
	if len(s.asked) != 2 {
		t.Errorf("%d workers are remembered", len(s.asked))
	}
}
