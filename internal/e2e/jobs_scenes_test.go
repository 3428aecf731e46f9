package e2e_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// A job that kills each worker that runs it is tried as often as it may be, and the others
// go on.
func TestAJobThatKillsItsWorkersIsGivenUp(t *testing.T) {
	j := startJobs(t, 2, "--offload", "/both/*,both,retry=1")
	j.offload(t, "both")
	poison := j.accept(t, "GET", "/both/die?poison", nil)
	for i := range 20 {
		if now := j.ended(t, j.accept(t, "GET", fmt.Sprintf("/both/x?beside%d", i), nil)); now.Status != "done" {
			t.Errorf("%+v", now)
		}
	}
	now := j.ended(t, poison)
	if now.Status != "dead" || now.Reason == "" || now.Attempt != 2 || j.begun("poison") != 2 {
		t.Errorf("%+v, begun %d times", now, j.begun("poison"))
	}
	if a := <-j.front.ask("GET", poison.Result, nil); a.status != 502 {
		t.Errorf("%+v", a)
	}
	if a := <-j.front.ask("GET", "/job/die?waits", nil); a.status != 502 {
		t.Errorf("whose client waits: %+v", a)
	}
	if a := <-j.front.ask("GET", "/job/x?after", nil); a.status != 200 {
		t.Errorf("%+v", a)
	}
}

// A result is there for as long as it is kept, and then it is said that it was.
func TestResultsExpire(t *testing.T) {
	j := startJobs(t, 1, "--offload", "/both/*,both", "--offload-keep", "2")
	j.offload(t, "both")
	job := j.accept(t, "GET", "/both/x?one", nil)
	j.ended(t, job)
	for _, url := range []string{job.URL, job.Result} {
		eventually(t, url+" is gone", func() bool {
			a := <-j.front.ask("GET", url, nil)
			return a.status == 410
		})
	}
}

// cutter passes connections on, until they are cut.
type cutter struct {
	l  net.Listener
	to string

	mu  sync.Mutex
	all []net.Conn // guarded by mu
}

func startCutter(t *testing.T, to string) *cutter {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	c := &cutter{l: l, to: to}
	var done sync.WaitGroup
	done.Go(func() {
		for {
			from, err := l.Accept()
			if err != nil {
				return
			}
			to, err := net.Dial("tcp", c.to)
			if err != nil {
				from.Close()
				continue
			}
			c.mu.Lock()
			c.all = append(c.all, from, to)
			c.mu.Unlock()
			done.Go(func() { _, _ = io.Copy(to, from); to.Close() })
			done.Go(func() { _, _ = io.Copy(from, to); from.Close() })
		}
	})
	t.Cleanup(func() { l.Close(); c.cut(); done.Wait() })
	return c
}

func (c *cutter) cut() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, conn := range c.all {
		conn.Close()
	}
	c.all = nil
}

// A connection between servers that breaks holds up nobody: what is on its way comes to its
// end, or is cut so that its client sees it.
func TestAnAnswerWhoseConnectionBreaksEnds(t *testing.T) {
	j := startJobs(t, 0)
	cutter := startCutter(t, j.queue)
	j.queue = cutter.l.Addr().String()
	j.join(t, 2)
	for i := range 3 {
		res, err := http.Get("http://" + j.front.addr + fmt.Sprintf("/job/stream?stream%d&40&%d", i, 1<<20))
		if err != nil {
			t.Fatal(err)
		}
		began := make([]byte, 1<<20)
		if _, err := io.ReadFull(res.Body, began); err != nil {
			t.Fatal(err)
		}
		cutter.cut()
		rest := make(chan error, 1)
		go func() {
			n, err := io.Copy(io.Discard, res.Body)
			if err == nil && n != 39<<20 {
				err = fmt.Errorf("%d bytes and no error", n)
			} else if err != nil {
				err = nil // the client saw it
			}
			rest <- err
		}()
		select {
		case err := <-rest:
			if err != nil {
				t.Error(err)
			}
		case <-time.After(limit):
			t.Fatal("the answer does not come to its end")
		}
		res.Body.Close()
		eventually(t, "it goes on", func() bool {
			a := <-j.front.ask("GET", "/job/x?after", nil)
			return a.status == 200
		})
	}
}

// Without a majority of engines nothing is accepted, and clients that wait are served where
// they are; all is well when the others are back.
func TestOneOfThreeEnginesPromisesNothing(t *testing.T) {
	all := startCluster(t)
	frozen := []int{engineOf(t, all[1].front), engineOf(t, all[2].front)}
	for _, pid := range frozen {
		_ = syscall.Kill(pid, syscall.SIGSTOP)
		defer func() { _ = syscall.Kill(pid, syscall.SIGCONT) }()
	}
	front := all[0].front
	refused := front.ask("POST", "/both/x?refused", strings.NewReader("body"), respondAsync...)
	if a := <-front.ask("GET", "/job/x?waits", nil); a.status != 200 {
		t.Errorf("who waits: %+v", a)
	}
	if a := <-refused; a.status != 503 {
		t.Errorf("%+v", a)
	}
	for _, pid := range frozen {
		_ = syscall.Kill(pid, syscall.SIGCONT)
	}
	var job accepted
	eventually(t, "jobs are accepted again", func() bool {
		a := <-front.ask("GET", "/both/x?again", nil, respondAsync...)
		return a.status == 202 && json.Unmarshal([]byte(a.body), &job) == nil
	})
	if now := all[0].ended(t, job); now.Status != "done" {
		t.Errorf("%+v", now)
	}
}
