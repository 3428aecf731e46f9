package bench

import (
	"net"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"
)

// Clients share connections as --streams says; a stream whose time is up takes none of the others with it; a connection that
// the server closes is replaced.
func TestStreams(t *testing.T) {
	var conns, now, most atomic.Int64
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n := now.Add(1)
		defer now.Add(-1)
		for old := most.Load(); n > old && !most.CompareAndSwap(old, n); old = most.Load() {
		}
		if r.URL.Path == "/never" {
			<-r.Context().Done()
			return
		}
		time.Sleep(20 * time.Millisecond) // so that requests overlap
	}))
	s.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			conns.Add(1)
		}
	}
	s.Config.Protocols = new(http.Protocols)
	s.Config.Protocols.SetHTTP1(true)
	s.Config.Protocols.SetUnencryptedHTTP2(true)
	s.Start()
	defer s.Close()
	o := Options{Targets: []Target{{URL: s.URL + "/"}}, Requests: 240, Clients: 12, HTTP2: true, Streams: 5}
	res := mustRun(t, "", o)
	if res.Requests.OK != 240 || conns.Load() != 3 || most.Load() < 10 || most.Load() > 12 {
		t.Errorf("%+v %v, %d connections, %d at once", res.Requests, res.ErrorExamples, conns.Load(), most.Load())
	}
	o.Targets = append(o.Targets, Target{URL: s.URL + "/never"})
	o.Requests, o.Timeout = 60, 300*time.Millisecond
	res = mustRun(t, "", o)
	if res.Targets[0].Failed > 0 || res.Targets[1].OK > 0 || res.Errors["timeout"] != res.Targets[1].Failed || conns.Load() > 6 {
		t.Errorf("%+v %v, %d connections", res.Targets, res.Errors, conns.Load())
	}
	for _, bad := range []Options{{Streams: 4}, {Streams: 4, HTTP2: true, NoKeepAlive: true}, {Streams: -1}} {
		bad.Targets, bad.Requests = []Target{{URL: s.URL}}, 1
		if _, err := Run(t.Context(), bad); err == nil {
			t.Errorf("%+v was taken", bad)
		}
	}
}

func TestStreamsOfAServerThatLeaves(t *testing.T) {
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	s.Config.Protocols = new(http.Protocols)
	s.Config.Protocols.SetUnencryptedHTTP2(true)
	s.Start()
	defer s.Close()
	time.AfterFunc(200*time.Millisecond, s.CloseClientConnections)
	res := mustRun(t, "", Options{Targets: []Target{{URL: s.URL}}, Duration: 800 * time.Millisecond, Clients: 6, HTTP2: true, Streams: 3, KeepGoing: true})
	later := int64(0)
	for _, s := range res.Timeline {
		if s.FromS > 0.3 {
			later += s.OK
		}
	}
	if res.Partial || later == 0 || res.Requests.Failed > 60 {
		t.Errorf("%+v %v %v, %d later", res.Requests, res.Errors, res.ErrorExamples, later)
	}
}
