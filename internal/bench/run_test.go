package bench

import (
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

func TestClosedLoopSendsExactlyN(t *testing.T) {
	for _, tt := range []struct{ n, c int }{{1, 1}, {7, 3}, {100, 16}, {64, 64}} {
		var served atomic.Int64
		url := serve(t, func(p *peer) {
			for p.request() != nil {
				served.Add(1)
				p.send(okResponse)
			}
		})
		res := mustRun(t, url, Options{Requests: int64(tt.n), Clients: tt.c})
		if res.Requests.OK != int64(tt.n) || served.Load() != int64(tt.n) || res.Requests.Failed != 0 || res.Partial {
			t.Errorf("n %d c %d: server saw %d, result %+v", tt.n, tt.c, served.Load(), res.Requests)
		}
		if res.Statuses[200] != int64(tt.n) || res.Bytes.Body != int64(5*tt.n) || res.Bytes.Received != int64(len(okResponse)*tt.n) {
			t.Errorf("n %d c %d: statuses %v, bytes %+v", tt.n, tt.c, res.Statuses, res.Bytes)
		}
		if int64(len(res.samples)) != int64(tt.n) || !res.Samples.Complete {
			t.Errorf("n %d c %d: %d samples", tt.n, tt.c, len(res.samples))
		}
	}
}

// The server answers only when all clients of a round are waiting: with a straggler, as ab has one in its first round, the run
// would end in timeouts.
func TestAllClientsSendAtOnce(t *testing.T) {
	const c = 16
	var mu sync.Mutex
	waiting, round := 0, make(chan struct{})
	url := serve(t, func(p *peer) {
		for p.request() != nil {
			mu.Lock()
			mine := round
			if waiting++; waiting == c {
				waiting, round = 0, make(chan struct{})
				close(mine)
			}
			mu.Unlock()
			select {
			case <-mine:
			case <-t.Context().Done():
			}
			p.send(okResponse)
		}
	})
	res := mustRun(t, url, Options{Requests: 2 * c, Clients: c})
	if res.Requests.OK != 2*c {
		t.Errorf("%+v %v", res.Requests, res.ErrorExamples)
	}
}

func TestKeepAlive(t *testing.T) {
	for _, keep := range []bool{true, false} {
		var connections atomic.Int64
		var closes atomic.Int64
		url := serve(t, func(p *peer) {
			connections.Add(1)
			for {
				req := p.request()
				if req == nil {
					return
				}
				if req.Close {
					closes.Add(1)
				}
				p.send(okResponse)
			}
		})
		res := mustRun(t, url, Options{Requests: 20, Clients: 4, NoKeepAlive: !keep})
		want, wantCloses := int64(4), int64(0)
		if !keep {
			want, wantCloses = 20, 20
		}
		if connections.Load() != want || closes.Load() != wantCloses || res.Requests.OK != 20 || res.Requests.Retried != 0 {
			t.Errorf("keep-alive %t: %d connections, %d closes, %+v", keep, connections.Load(), closes.Load(), res.Requests)
		}
	}
}

func TestDurationEndsTheRun(t *testing.T) {
	res := mustRun(t, serve(t, always(okResponse)), Options{Duration: 200 * time.Millisecond, Clients: 2})
	if res.Partial || res.Requests.OK == 0 || res.DurationS < 0.15 || res.DurationS > 5 {
		t.Errorf("%v s, %+v", res.DurationS, res.Requests)
	}
}

func TestFailuresAndSuccessesAreKeptApart(t *testing.T) {
	var n atomic.Int64
	url := serve(t, func(p *peer) {
		for p.request() != nil {
			if n.Add(1)%4 == 0 {
				p.send("HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n")
			} else {
				p.send(okResponse)
			}
		}
	})
	res := mustRun(t, url, Options{Requests: 40, Clients: 1})
	if res.Requests.OK != 30 || res.Requests.Failed != 10 || res.Latency.Count != 30 || res.Requests.Non2xx != 10 {
		t.Errorf("%+v, %d latencies", res.Requests, res.Latency.Count)
	}
	if want := 30 / res.DurationS; res.Rate.OK != want {
		t.Errorf("rate %v, want %v", res.Rate.OK, want)
	}
	if !hasDoubt(res, "errors") {
		t.Errorf("no doubt about errors: %v", res.Doubts)
	}
}

func hasDoubt(res *Result, code string) bool {
	for _, d := range res.Doubts {
		if d.Code == code {
			return true
		}
	}
	return false
}

func TestExpectedStatus(t *testing.T) {
	url := serve(t, always("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"))
	res := mustRun(t, url, Options{Requests: 3, Expect: StatusSet{{404, 404}}})
	if res.Requests.OK != 3 || res.Requests.Non2xx != 3 {
		t.Errorf("%+v", res.Requests)
	}
}

// Beyond the samples that are kept, everything is still counted.
func TestMoreRequestsThanSamples(t *testing.T) {
	url := serve(t, always(okResponse))
	res := mustRun(t, url, Options{Requests: 3000, Clients: 4, MaxSamples: 1024})
	if res.Samples.Kept > 1024 || res.Samples.Complete || res.Latency.Count != 3000 || res.Phases.Waiting.Count != 3000 {
		t.Errorf("%+v, %d latencies", res.Samples, res.Latency.Count)
	}
	var binned int64
	for _, b := range res.Histogram {
		binned += b.Count
	}
	if d := res.Latency; binned != 3000 || d.MinMS > d.MedianMS || d.MedianMS > d.MaxMS || d.MeanMS <= 0 || d.SDMS <= 0 {
		t.Errorf("%d in the histogram; %+v", binned, d)
	}
	two := mustRun(t, "", Options{Targets: []Target{{URL: url + "/a"}, {URL: url + "/b"}}, Requests: 3000, Clients: 4, MaxSamples: 1024})
	if text, err := two.text(); err != nil || !strings.Contains(text, fmt.Sprintf("Targets; mean and p99 are of the first %d requests of all\n", two.Samples.Kept)) {
		t.Errorf("%v\n%s", err, text)
	}
}

func TestContent(t *testing.T) {
	answer := func(format string) string {
		var n atomic.Int64
		return serve(t, func(p *peer) {
			for p.request() != nil {
				body := fmt.Sprintf(format, n.Add(1))
				p.send(fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", len(body), body))
			}
		})
	}
	for _, tt := range []struct {
		url, code string
	}{{answer("%06d"), "bodies-differ"}, {answer("%d"), "lengths-differ"}} {
		res := mustRun(t, tt.url, Options{Requests: 30, Clients: 3})
		if !hasDoubt(res, tt.code) {
			t.Errorf("no doubt %s: %+v %v", tt.code, res.Content, res.Doubts)
		}
	}
	if res := mustRun(t, serve(t, always(okResponse)), Options{Requests: 30, Clients: 3}); res.Content.BodiesDiffer || res.Content.LengthsDiffer {
		t.Errorf("equal bodies differ: %+v", res.Content)
	}
}

func TestServerTimingSplitsWaiting(t *testing.T) {
	url := serve(t, always("HTTP/1.1 200 OK\r\nServer-Timing: queue;dur=1.5, app;dur=0.25\r\nContent-Length: 0\r\n\r\n"))
	res := mustRun(t, url, Options{Requests: 10})
	p := res.Phases
	if p.Queue == nil || p.Queue.MedianMS != 1.5 || p.App.MaxMS != 0.25 || !res.Load.ServerTiming {
		t.Errorf("%+v %+v", p.Queue, p.App)
	}
}

func TestOptionsRefused(t *testing.T) {
	one := []Target{{URL: "http://127.0.0.1:1/"}}
	for name, o := range map[string]Options{
		"no URL":         {Requests: 1},
		"no end":         {Targets: one},
		"n below c":      {Targets: one, Requests: 3, Clients: 4},
		"negative":       {Targets: one, Requests: -1},
		"two hosts":      {Targets: []Target{{URL: "http://a/"}, {URL: "http://b/"}}, Requests: 1},
		"two schemes":    {Targets: []Target{{URL: "ws://a:1/"}, {URL: "http://a:1/"}}, Requests: 1},
		"scheme":         {Targets: []Target{{URL: "ftp://a/"}}, Requests: 1},
		"port":           {Targets: []Target{{URL: "http://a:99999/"}}, Requests: 1},
		"method":         {Targets: []Target{{URL: "http://a/", Method: "G T"}}, Requests: 1},
		"weight":         {Targets: []Target{{URL: "http://a/", Weight: -1}}, Requests: 1},
		"ramp, no end":   {Targets: one, Requests: 1, Rate: RateCurve{1, 2}},
		"follow, HTTP/2": {Targets: one, Requests: 1, Follow: true, HTTP2: true},
	} {
		if _, err := Run(t.Context(), o); err == nil {
			t.Errorf("%s: no error", name)
		} else if _, ok := err.(*OptionError); !ok {
			t.Errorf("%s: %v is no OptionError", name, err)
		}
	}
}
