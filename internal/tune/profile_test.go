package tune

import (
	"strings"
	"testing"

	"girin/internal/bench"
)

// What failed in threads is told even where no time was left to look at processes.
func TestFailuresInThreadsAreToldWithoutProcesses(t *testing.T) {
	threads := &bench.Result{Requests: bench.Requests{Done: 100, OK: 80, Failed: 20}}
	for _, tt := range []struct {
		processes       *bench.Result
		threads, unsure string
	}{
		{nil, "", "20 % of its requests fail in"},
		{&bench.Result{Requests: bench.Requests{Done: 100, OK: 100}}, "20 of 100 requests failed in", ""},
		{&bench.Result{Requests: bench.Requests{Done: 100, OK: 90, Failed: 10}}, "", "in processes too"},
	} {
		var r Route
		r.judgeThreads(threads, tt.processes, false)
		if !strings.Contains(r.Threads, tt.threads) || (r.Threads == "") != (tt.threads == "") || !strings.Contains(r.Unsure, tt.unsure) || (r.Unsure == "") != (tt.unsure == "") {
			t.Errorf("%+v: %q, %q", tt.processes, r.Threads, r.Unsure)
		}
	}
}

// One request, the first of its kind perhaps, shows of no route that it is always too slow.
func TestOneRequestShowsNothing(t *testing.T) {
	one := &bench.Result{Requests: bench.Requests{Done: 1, OK: 1}}
	if conclusive(one) != nil || conclusive(nil) != nil {
		t.Error("a single request is enough")
	}
	if three := (&bench.Result{Requests: bench.Requests{Done: leastAlone}}); conclusive(three) != three {
		t.Error("those that were asked for are not enough")
	}
}
