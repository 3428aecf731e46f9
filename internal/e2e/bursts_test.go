package e2e_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// A burst of large heads takes much of the memory that master and workers share.
// Afterwards all of it is there again, and small bodies find room as before.
func TestABurstOfLargeHeadsLeavesTheArenaAsItWas(t *testing.T) {
	const burst = 140
	for name, test := range map[string]struct {
		fields  int  // of 8,000 bytes each
		refused bool // some may be, for as long as the others are there
	}{"144 KB": {18, false}, "the largest that the limits allow": {95, true}} {
		t.Run(name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "run")
			s := start(t, options{args: []string{"--threads", "2"}, env: []string{"GIRIN_RUNTIME_DIR=" + dir}})
			head := "GET /wait?0.01 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
			for i := range test.fields {
				head += fmt.Sprintf("X-%d: %s\r\n", i, strings.Repeat("h", 8000))
			}
			for range 2 { // what the first leaves would fail the second
				served := atSameTime(t, burst, func() int { return s.exchange(t, head+"\r\n") })
				if n := served[200] + served[503]; n != burst || served[200] == 0 || !test.refused && served[503] > 0 {
					t.Errorf("of %d heads by status: %v", burst, served)
				}
				post := "POST /sink HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 30000\r\n\r\n" + strings.Repeat("b", 30_000)
				if served = atSameTime(t, 100, func() int { return s.exchange(t, post) }); served[200] != 100 {
					t.Errorf("of 100 bodies afterwards by status: %v", served)
				}
			}
			eventually(t, "nothing is in the arena", func() bool {
				h := holds(t, dir).Sched
				return h.Arena == 0 && h.Blocks == 0 && h.Calls == 0
			})
		})
	}
}

// atSameTime makes so many exchanges and returns how many had which status.
func atSameTime(t *testing.T, n int, exchange func() int) map[int]int {
	t.Helper()
	statuses := make(chan int, n)
	for range n {
		go func() { statuses <- exchange() }()
	}
	count := map[int]int{}
	for range n {
		count[<-statuses]++
	}
	return count
}

// exchange makes a request on a connection of its own and returns the status, or 0.
func (s *server) exchange(t *testing.T, request string) int {
	nc, err := net.Dial("tcp", s.addr)
	if err != nil {
		t.Error(err)
		return 0
	}
	defer nc.Close()
	_ = nc.SetDeadline(time.Now().Add(limit))
	_, _ = io.WriteString(nc, request) // a refusal may come before all is sent
	res, err := http.ReadResponse(bufio.NewReader(nc), nil)
	if err != nil {
		t.Error(err)
		return 0
	}
	defer res.Body.Close()
	if _, err := io.Copy(io.Discard, res.Body); err != nil {
		t.Error(err)
		return 0
	}
	return res.StatusCode
}

// Whatever paths a scanner asks for, auto knows the application's routes as before: a
// light request does not wait behind computing ones.
func TestAScannerLeavesAutoAsItWas(t *testing.T) {
	const computes = 0.2 // s of CPU
	dir := filepath.Join(t.TempDir(), "run")
	s := start(t, options{args: []string{"-k", "auto", "-w", "2"}, env: []string{"GIRIN_RUNTIME_DIR=" + dir}})
	kind := func(name string) string {
		for _, r := range holds(t, dir).Sched.Routes {
			if r.Name == name {
				return r.Kind
			}
		}
		return "none"
	}
	s.scan(t, 0, 1100)
	stop := make(chan struct{})
	var busy sync.WaitGroup
	defer busy.Wait()
	defer close(stop)
	for range 4 {
		busy.Go(func() { s.repeat(t, stop, fmt.Sprintf("/compute?%v", computes)) })
	}
	eventually(t, "the one route is light and the other computes", func() bool {
		s.get(t, "/light")
		return kind("GET /light") == "light" && kind("GET /compute") == "computing"
	})
	var scanned atomic.Int64
	busy.Go(func() {
		for n := 1100; ; n += 50 {
			select {
			case <-stop:
				return
			default:
				s.scan(t, n, 50)
				scanned.Add(50)
			}
		}
	})
	var took []time.Duration
	for len(took) < 100 || scanned.Load() < 1100 {
		began := time.Now()
		s.get(t, "/light")
		took = append(took, time.Since(began))
		if t.Failed() {
			return
		}
	}
	slices.Sort(took)
	if p50 := took[len(took)/2]; p50 > 100*time.Millisecond {
		t.Errorf("a light request takes %v (median of %d) beside such that compute for %v s", p50, len(took), computes)
	}
	if light, computing := kind("GET /light"), kind("GET /compute"); light != "light" || computing != "computing" {
		t.Errorf("the routes are known as %q and %q", light, computing)
	}
}

// scan asks for n paths that nobody asked for before: half of them are not there.
func (s *server) scan(t *testing.T, from, n int) {
	transport := &http.Transport{}
	defer transport.CloseIdleConnections()
	for i := from; i < from+n; i++ {
		path, status := fmt.Sprintf("/missing/%x/%x.php", i*7919, i), 404
		if i%2 == 0 {
			path, status = fmt.Sprintf("/posts-%x/a-%x", i%200, i*7919), 200
		}
		r, err := http.NewRequest("GET", "http://"+s.addr+path, nil)
		if err != nil {
			t.Error(err)
			return
		}
		res, err := transport.RoundTrip(r)
		if err != nil {
			t.Error(err)
			return
		}
		readAll(t, res)
		if res.StatusCode != status {
			t.Errorf("GET %s: %s", path, res.Status)
			return
		}
	}
}

// repeat asks for a path again and again.
func (s *server) repeat(t *testing.T, stop <-chan struct{}, path string) {
	for {
		select {
		case <-stop:
			return
		default:
			if n := s.exchange(t, "GET "+path+" HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"); n != 200 {
				t.Errorf("GET %s: status %d", path, n)
				return
			}
		}
	}
}
