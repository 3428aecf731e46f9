package bench

import (
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

func TestParseStages(t *testing.T) {
	s, err := ParseStages("2@1s, 2:10@4s,0@500ms")
	if err != nil || s.most() != 10 || s.takes() != 5500*time.Millisecond {
		t.Fatalf("%v, %v", s, err)
	}
	for at, want := range map[time.Duration]int{0: 2, 999 * time.Millisecond: 2, 3 * time.Second: 6, 4900 * time.Millisecond: 10, 5100 * time.Millisecond: 0, time.Hour: 0} {
		if got := s.at(at); got != want {
			t.Errorf("at %v: %d clients, want %d", at, got, want)
		}
	}
	if again, err := ParseStages(s.String()); err != nil || again.String() != s.String() {
		t.Errorf("%s read again: %v, %v", s, again, err)
	}
	for _, bad := range []string{"", "5", "5@", "a@1s", "5@-1s", "0@1s", "-1@1s", "1@1s,,", "1000000@1s"} {
		if s, err := ParseStages(bad); err == nil {
			t.Errorf("%q: %v", bad, s)
		}
	}
}

// As many requests are under way at once as the stages say, and nobody works after the last.
func TestStages(t *testing.T) {
	const each = 900 * time.Millisecond
	var now atomic.Int64
	var most [3]atomic.Int64
	var first sync.Once
	var began time.Time
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		first.Do(func() { began = time.Now() })
		n := now.Add(1)
		defer now.Add(-1)
		at := time.Since(began)
		// Near the border of two stages a busy machine has requests of both.
		if i := at / each; i < 3 && at%each > each/2 && at%each < each*5/6 {
			for old := most[i].Load(); n > old && !most[i].CompareAndSwap(old, n); old = most[i].Load() {
			}
		}
		time.Sleep(20 * time.Millisecond) // the latency under test
	}))
	defer server.Close()
	s, _ := ParseStages("2@900ms,6@900ms,1@900ms")
	res, err := Run(t.Context(), Options{Targets: []Target{{URL: server.URL}}, Stages: s})
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []int64{2, 6, 1} {
		if got := most[i].Load(); got > want || got == 0 {
			t.Errorf("stage %d: %d at once, want %d", i, got, want)
		}
	}
	if res.Requests.Failed > 0 || res.DurationS < 1.8 || res.DurationS > 10 || res.Load.Stages == "" {
		t.Errorf("%+v, %.2f s, load %+v", res.Requests, res.DurationS, res.Load)
	}
	for _, o := range []Options{{Clients: 2}, {Requests: 2}, {Rate: RateCurve{1, 1}}} {
		o.Targets, o.Stages = []Target{{URL: server.URL}}, s
		if _, err := Run(t.Context(), o); err == nil {
			t.Errorf("stages go with %+v", o)
		}
	}
}
