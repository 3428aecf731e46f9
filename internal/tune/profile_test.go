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
		{nil, "", "20 of 100 requests failed in 8 threads, and no time was left"},
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

// Threads are blamed where an exact test says so: neither for one failure among few, nor only where processes have none.
func TestThreadsAreBlamedByAnExactTest(t *testing.T) {
	result := func(failed, done int64) *bench.Result {
		return &bench.Result{Requests: bench.Requests{Done: done, OK: done - failed, Failed: failed}}
	}
	for _, tt := range []struct {
		threads, processes *bench.Result
		blamed, unsure     string
		again              bool
	}{
		{result(1, 100), result(0, 20), "", "1 of 100 requests failed in 8 threads, and none of 20 in 8 processes, which may be chance", false},
		{result(3, 100), result(0, 60), "", "which may be chance", true},
		{result(12, 400), result(0, 240), "12 of 400 requests failed in 8 threads, none in 8 processes", "", false},
		{result(50, 100), result(1, 100), "50 of 100 requests failed in 8 threads, 1 of 100 in 8 processes", "", false},
		{result(5, 100), result(4, 100), "", "in processes too", false},
	} {
		var r Route
		r.judgeThreads(tt.threads, tt.processes, false)
		if !strings.HasPrefix(r.Threads, tt.blamed) || (r.Threads == "") != (tt.blamed == "") || !strings.Contains(r.Unsure, tt.unsure) || (r.Unsure == "") != (tt.unsure == "") {
			t.Errorf("%+v beside %+v: %q, %q", tt.threads.Requests, tt.processes.Requests, r.Threads, r.Unsure)
		}
		if c := (crowds{threads: tt.threads, processes: tt.processes}); c.undecided() != tt.again {
			t.Errorf("%+v beside %+v: asked again: %t", tt.threads.Requests, tt.processes.Requests, !tt.again)
		}
	}
}

// That answers differ speaks against threads, whether or not some request fails besides.
func TestAFailureHidesNoAnswersThatDiffer(t *testing.T) {
	threads := &bench.Result{Requests: bench.Requests{Done: 100, OK: 99, Failed: 1}, Content: bench.Content{BodiesDiffer: true}}
	var r Route
	r.judgeThreads(threads, &bench.Result{Requests: bench.Requests{Done: 100, OK: 100}}, false)
	if !strings.Contains(r.Threads, "its answers differ") || r.Unsure != "" {
		t.Errorf("%q, %q", r.Threads, r.Unsure)
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
