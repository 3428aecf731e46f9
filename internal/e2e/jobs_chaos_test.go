package e2e_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// chaos is a front, two servers that run jobs, and one of another version that must run none.
type chaos struct {
	t      *testing.T
	j      *jobServers
	rand   *rand.Rand
	others string // the runs of the other version

	mu     sync.Mutex
	front  *server   // guarded by mu: it listens elsewhere when it was started again
	nodes  []*server // guarded by mu
	ledger []*entry  // guarded by mu
	urls   map[*entry]string
}

// chaosFor is how long faults are made: a few seconds, or as $CHAOS says ("make chaos").
func chaosFor(t *testing.T) time.Duration {
	t.Helper()
	text := os.Getenv("CHAOS")
	if text == "" {
		return 10 * time.Second
	}
	d, err := time.ParseDuration(text)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// Workers, servers and the engine die or freeze at any moment; what must be true of jobs is.
func TestJobsInChaos(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	if text := os.Getenv("CHAOS_SEED"); text != "" {
		seed, _ = strconv.ParseUint(text, 10, 64)
	}
	t.Logf("CHAOS_SEED=%d", seed)
	c := &chaos{t: t, rand: rand.New(rand.NewPCG(seed, 1)), urls: map[*entry]string{}}
	c.j = startJobs(t, 1, "--offload", "/both/*,both,retry=100", "--offload-version", "one", "--offload-move", "0", "--offload-keep", "86400")
	c.j.common = append(c.j.common, "--offload-version", "one")
	c.j.offload(t, "both")
	c.front = c.j.front
	for range 2 {
		c.nodes = append(c.nodes, c.node("one", c.j.runs))
	}
	c.others = filepath.Join(c.j.dir, "others")
	c.node("two", c.others)
	end := time.Now().Add(chaosFor(t))
	var clients sync.WaitGroup
	for i := range 4 {
		clients.Go(func() { c.ask(i, end) })
	}
	for time.Now().Before(end) {
		c.fault()
		time.Sleep(time.Duration(300+c.rand.IntN(1200)) * time.Millisecond)
	}
	clients.Wait()
	c.settle()
	var ledger []entry
	for _, e := range c.ledger {
		ledger = append(ledger, *e)
	}
	for _, violation := range violations(ledger, runsIn(t, c.j.runs), runsIn(t, c.others)) {
		t.Error(violation)
	}
	c.leftOver()
	c.tell(ledger)
}

// node starts a server that only runs jobs. It need not be heard of, nor be ready, before others die.
func (c *chaos) node(version, runs string) *server {
	c.t.Helper()
	args := append([]string{"--offload-connect", c.j.scheme + c.j.queue, "--no-bind", "--offload-slots", "1"}, c.j.common...)
	return launchApp(c.t, "jobs", options{args: append(args, "--offload-version", version), env: []string{"RUNS=" + runs}})
}

// ask makes one request after the other, of each kind.
func (c *chaos) ask(client int, end time.Time) {
	for i := 0; time.Now().Before(end); i++ {
		e := &entry{name: fmt.Sprintf("c%d.%d", client, i)}
		method, fields := "GET", []string{}
		switch i % 3 {
		case 1:
			method, e.once = "POST", true
		case 2:
			method, fields = "POST", []string{"Idempotency-Key", e.name}
		}
		path := fmt.Sprintf("/both/wait?%s&0.0%d", e.name, 1+i%9)
		if i%4 != 0 {
			fields = append(fields, respondAsync...)
		}
		c.mu.Lock()
		front := c.front
		c.ledger = append(c.ledger, e)
		c.mu.Unlock()
		a := <-front.ask(method, path, nil, fields...)
		c.mu.Lock()
		switch e.status = a.status; a.status {
		case http.StatusAccepted:
			var job accepted
			if err := json.Unmarshal([]byte(a.body), &job); err != nil {
				c.t.Errorf("%s: %v", a.body, err)
			}
			e.accepted, e.status, c.urls[e] = true, 0, job.URL
		case http.StatusOK:
			e.worker = workerOf(a.body)
		}
		c.mu.Unlock()
		time.Sleep(50 * time.Millisecond)
	}
}

// workerOf is who has answered, as the answer says.
func workerOf(body string) string {
	for line := range strings.Lines(body) {
		if pid, ok := strings.CutPrefix(line, "worker="); ok {
			return strings.TrimSpace(pid)
		}
	}
	return ""
}

// fault lets something die or freeze.
func (c *chaos) fault() {
	switch n := c.rand.IntN(len(c.nodes)); c.rand.IntN(6) {
	case 0:
		c.killEngine()
	case 1:
		_ = c.nodes[n].cmd.Process.Signal(syscall.SIGKILL)
		<-c.nodes[n].done
		c.nodes[n] = c.node("one", c.j.runs)
	case 2:
		_ = c.nodes[n].cmd.Process.Signal(syscall.SIGSTOP)
		time.Sleep(time.Duration(c.rand.IntN(4000)) * time.Millisecond)
		_ = c.nodes[n].cmd.Process.Signal(syscall.SIGCONT)
	case 3:
		c.killWorkers(c.nodes[n])
	case 4:
		c.killWorkers(c.front)
	case 5:
		_ = c.front.cmd.Process.Signal(syscall.SIGHUP)
	}
}

func (c *chaos) killEngine() {
	all, _ := children(c.t, c.front.cmd.Process.Pid)
	for _, pid := range all {
		if line, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid)); strings.HasSuffix(string(line), "\x00engine\x00") {
			_ = syscall.Kill(pid, syscall.SIGKILL)
		}
	}
}

func (c *chaos) killWorkers(s *server) {
	all, _ := children(c.t, s.cmd.Process.Pid)
	for _, pid := range all {
		if line, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid)); strings.Contains(string(line), "girin-worker") {
			_ = syscall.Kill(pid, syscall.SIGKILL)
		}
	}
}

// settle waits until each accepted job has ended, and looks at each twice.
func (c *chaos) settle() {
	for range 2 {
		for e, url := range c.urls {
			end := c.j.ended(c.t, accepted{ID: e.name, URL: url})
			e.ends = append(e.ends, end.Status)
			a := <-c.front.ask("GET", url+"/result", nil)
			if e.status = a.status; a.status == http.StatusOK {
				e.worker = workerOf(a.body)
			}
		}
	}
}

// longestLeft is how long what was stored, and whose client was not told, may lie: a job that has
// died often waits ten minutes for its next attempt, and what was stored by halves is swept a
// quarter of an hour after the engine came back.
const longestLeft = 18 * time.Minute

// leftOver checks that nothing waits any more (I5).
func (c *chaos) leftOver() {
	for late := time.Now().Add(longestLeft); ; time.Sleep(100 * time.Millisecond) {
		_, text := c.j.inside(c.t, "GET", "/peers", "")
		var o struct{ Queued, Waiting, Running int }
		if json.Unmarshal([]byte(text), &o) == nil && o.Queued == 0 && o.Waiting == 0 && o.Running == 0 {
			return
		}
		if time.Now().After(late) {
			_, jobs := c.j.inside(c.t, "GET", "/jobs?status=queued,running", "")
			c.t.Fatalf("this is left: %.2000s\n%.4000s", text, jobs)
		}
	}
}

func (c *chaos) tell(ledger []entry) {
	how := map[string]int{}
	for _, e := range ledger {
		if e.accepted {
			how["accepted, "+e.ends[0]]++
		} else {
			how["waited, "+strconv.Itoa(e.status)]++
		}
	}
	c.t.Logf("%d requests: %v", len(ledger), how)
}
