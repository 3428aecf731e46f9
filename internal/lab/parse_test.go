package lab

import (
	"strings"
	"testing"
	"time"

	"girin/internal/bench"
	"girin/internal/lab/plan"
)

func TestParseStat(t *testing.T) {
	stat := "42 (a) b (c) S 7 40 40 0 -1 4194304 100 0 0 0 150 50 25 25 20 0 1 0 100 0 0"
	p, err := parseStat(42, []byte(stat))
	if want := (process{pid: 42, parent: 7, group: 40, cpu: 2500 * time.Millisecond}); err != nil || p != want {
		t.Errorf("got %+v, %v; want %+v", p, err, want)
	}
	for _, bad := range []string{"", "42 (x", "42 (x) S 1 2", strings.Replace(stat, "150", "x", 1)} {
		if _, err := parseStat(42, []byte(bad)); err == nil {
			t.Errorf("%q parsed", bad)
		}
	}
}

func TestPss(t *testing.T) {
	if got := pss([]byte("00400000-7ff [rollup]\nRss:  9 kB\nPss:    1234 kB\nPss_Dirty: 5 kB\n")); got != 1234 {
		t.Errorf("got %v", got)
	}
}

func TestMachineFiles(t *testing.T) {
	cpuinfo := "processor : 0\nphysical id : 0\ncore id : 0\n\nprocessor : 1\nphysical id : 0\ncore id : 0\n\nprocessor : 2\nphysical id : 1\ncore id : 0\n"
	if n := physicalCores(cpuinfo); n != 2 {
		t.Errorf("%d physical cores, want 2", n)
	}
	for text, want := range map[string]float64{"max 100000": 0, "150000 100000\n": 1.5, "": 0} {
		if got := parseCPUMax(text); got != want {
			t.Errorf("cpu.max %q: %v, want %v", text, got, want)
		}
	}
	if got := parseMemoryMax("max\n"); got != 0 {
		t.Errorf("memory.max max: %v", got)
	}
	if got := memoryTotal("MemTotal:  2048 kB\nMemFree: 1 kB\n"); got != 2<<20 {
		t.Errorf("MemTotal: %d", got)
	}
}

func TestParseRequests(t *testing.T) {
	text := "status,error,scheduled_ms,sent_ms,done_ms,X-Girin-Lab\n" +
		"200,,1.5,2,12.5,1000000 9000000\n" +
		",timeout,3,,30003,\n" +
		"200,,4,4,5,9 1\n"
	all, err := parseRequests(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	want := []request{
		{scheduled: 1.5, sent: 2, done: 12.5, ok: true, begin: 1000000, end: 9000000},
		{scheduled: 3, done: 30003},
		{scheduled: 4, sent: 4, done: 5, ok: true}, // a stamp that ends before it begins is none
	}
	for i := range want {
		if all[i] != want[i] {
			t.Errorf("request %d: %+v, want %+v", i, all[i], want[i])
		}
	}
	if n := answeredWithin(all, 10); n != 1 {
		t.Errorf("%d answered within 10 ms", n)
	}
	if _, err := parseRequests(strings.NewReader("status,error\n")); err == nil {
		t.Error("a table without stamps was accepted")
	}
}

func TestInvalid(t *testing.T) {
	result := func(change func(*bench.Result)) load {
		l := load{stream: plan.Stream{Endpoint: plan.Endpoint{Body: "same"}}}
		l.result.Requests = bench.Requests{Done: 10, OK: 10}
		l.result.Latency.Percentiles = []bench.Percentile{{P: 99, MS: 100}}
		change(&l.result)
		return l
	}
	lagging := func(ms float64) func(*bench.Result) {
		return func(r *bench.Result) {
			r.Schedule = &bench.Schedule{Lag: bench.Distribution{Percentiles: []bench.Percentile{{P: 99, MS: ms}}}}
		}
	}
	timeouts := func(r *bench.Result) { r.Requests.Failed, r.Errors = 2, map[string]int64{"timeout": 2} }
	for _, tt := range []struct {
		name      string
		change    func(*bench.Result)
		competing bool
		want      string // part of the verdict; empty if valid
	}{
		{"good", func(*bench.Result) {}, false, ""},
		{"ended early", func(r *bench.Result) { r.Partial, r.PartialReason = true, "signal" }, false, "ended early: signal"},
		{"timeouts", timeouts, false, "2 of 10 requests failed"},
		{"timeouts beside others are starvation", timeouts, true, ""},
		{"other failures beside others", func(r *bench.Result) { r.Requests.Failed = 1 }, true, "1 of 10"},
		{"busy client", func(r *bench.Result) { r.Client.CPUShare = 0.9 }, false, "90 % of its CPU"},
		{"late client", lagging(30), false, "30 ms late"},
		{"a little late", lagging(5), false, ""},
		{"statuses", func(r *bench.Result) { r.Content.StatusesDiffer = true }, false, "statuses"},
		{"bodies", func(r *bench.Result) { r.Content.BodiesDiffer = true }, false, "bodies"},
	} {
		got := invalid(result(tt.change), tt.competing)
		if (got == "") != (tt.want == "") || !strings.Contains(got, tt.want) {
			t.Errorf("%s: %q, want %q", tt.name, got, tt.want)
		}
	}
}
