package soak

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

var seed = flag.Uint64("soak.seed", 0, "seed of the clients' choices; 0: another one each time")

// classes are girin's settings for each worker class.
var classes = map[string][]string{
	"sync":     {"-k", "sync", "-w", "3"},
	"gthread":  {"-k", "gthread", "-w", "2", "--threads", "4"},
	"gevent":   {"-k", "gevent", "-w", "2", "--worker-connections", "16"},
	"gaiohttp": {"-k", "gaiohttp", "-w", "2", "--threads", "4"},
	"auto":     {"-w", "3", "-k", "auto"},
	"asgi":     {"-k", "asgi", "-w", "2", "--worker-connections", "16"},
}

// duration is how long each of the classes is loaded.
func duration(t *testing.T) time.Duration {
	all := 12 * time.Second
	if text := os.Getenv("SOAK"); text != "" {
		var err error
		if all, err = time.ParseDuration(text); err != nil {
			t.Fatalf("SOAK: %v", err)
		}
	}
	return all / time.Duration(2*len(classes))
}

func TestSoak(t *testing.T) {
	long := duration(t)
	for class := range classes {
		for _, secure := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s/tls=%v", class, secure), func(t *testing.T) {
				soak(t, load{class: class, secure: secure, clients: clientsMost, kills: true, long: long})
			})
		}
	}
}

// TestSoakOfWorkersThatRetire is the same without a kill: workers take a few requests each
// and go, and no request fails for it.
func TestSoakOfWorkersThatRetire(t *testing.T) {
	options := []string{"--max-requests", "40", "--max-requests-jitter", "20"}
	for class := range classes {
		for _, secure := range []bool{false, true} {
			if !secure && os.Getenv("SOAK") == "" {
				continue // the short form: there is HTTP/1.1 under TLS, too
			}
			t.Run(fmt.Sprintf("%s/tls=%v", class, secure), func(t *testing.T) {
				soak(t, load{class: class, secure: secure, options: options, clients: 8, long: duration(t) / 4})
			})
		}
	}
}

// load is what a server is put under.
type load struct {
	class   string
	secure  bool
	options []string // of the server's, beyond those of the class
	clients int
	kills   bool
	long    time.Duration
}

const clientsMost = 24

// soak loads one server.
func soak(t *testing.T, l load) {
	s := start(t, append(slices.Clone(classes[l.class]), l.options...), l.secure)
	s.killed, s.clients = l.kills, l.clients
	number := *seed
	if number == 0 {
		number = rand.Uint64()
	}
	t.Logf("seed %d", number)
	run(t, s, number, time.Second) // so that what is made once is made
	before := s.settled(t)
	outcomes := run(t, s, number+1, l.long)
	after := s.settled(t)
	t.Logf("%v\nbefore %v\nafter  %v", outcomes, before, after)
	for _, wrong := range outcomes.wrong {
		t.Error(wrong)
	}
	if outcomes.checked.Load() == 0 {
		t.Error("no answer was checked")
	}
	// What a killed worker ran fails, and nothing else does.
	if most := int64(outcomes.kills) * s.slots; outcomes.failed.Load() > most {
		t.Errorf("%d requests failed, at most %d ran when their worker was killed: %v", outcomes.failed.Load(), most, outcomes.why())
	}
	after.mustBeAs(t, l.class, before)
}

// outcomes is what became of the requests.
type outcomes struct {
	checked, left, failed atomic.Int64
	kills, reloads        int

	mu     sync.Mutex
	wrong  []string       // guarded by mu
	causes map[string]int // guarded by mu
}

func (o *outcomes) String() string {
	return fmt.Sprintf("%d answers checked, %d left by their client, %d failed %v, %d kills, %d reloads",
		o.checked.Load(), o.left.Load(), o.failed.Load(), o.why(), o.kills, o.reloads)
}

// bad notes an answer that no fault excuses.
func (o *outcomes) bad(format string, args ...any) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if len(o.wrong) < 20 {
		o.wrong = append(o.wrong, fmt.Sprintf(format, args...))
	}
}

// fail notes one that a killed worker excuses.
func (o *outcomes) fail(cause string) {
	o.failed.Add(1)
	o.mu.Lock()
	defer o.mu.Unlock()
	o.causes[cause]++
}

func (o *outcomes) why() map[string]int {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.causes
}

// run puts the load on the server and returns when every client has ended.
func run(t *testing.T, s *server, number uint64, long time.Duration) *outcomes {
	o := &outcomes{causes: map[string]int{}}
	until := time.Now().Add(long)
	var group sync.WaitGroup
	for i := range s.clients {
		group.Go(func() {
			c := &client{server: s, outcomes: o, rand: rand.New(rand.NewPCG(number, uint64(i))), until: until}
			for time.Now().Before(until) {
				c.one()
			}
			c.end()
		})
	}
	r := rand.New(rand.NewPCG(number, 1<<32))
	for time.Now().Before(until) {
		disturb(s, o, r)
		time.Sleep(time.Duration(300+r.IntN(700)) * time.Millisecond)
	}
	group.Wait()
	return o
}

// disturb kills a worker, or reloads all, or neither.
func disturb(s *server, o *outcomes, r *rand.Rand) {
	switch r.IntN(6) {
	case 0, 1:
		if !s.killed {
			return
		}
		if pids := s.children(); len(pids) > 0 && syscall.Kill(pids[r.IntN(len(pids))], syscall.SIGKILL) == nil {
			o.kills++
		}
	case 2:
		if syscall.Kill(s.cmd.Process.Pid, syscall.SIGHUP) == nil {
			o.reloads++
		}
	}
}

// mostAtOnce is how many requests the clients can have under way: many2's are the most.
const mostAtOnce = clientsMost * 7

// threadsLeft is how many threads there may be after the load. Auto starts one for each
// request that runs at once, and keeps it (TestThreadsAreStartedForWhatRunsAtOnce): a
// worker's main thread, the one of control, one that leads and one to spare come to
// those. The other classes have all of theirs from the start.
func (h held) threadsLeft(class string, before held) (now, most int) {
	if class == "auto" {
		return h.busiest, mostAtOnce + 4
	}
	return h.threads, before.threads + 4
}

// held is what a server holds.
type held struct {
	descriptors, threads, goroutines, spooled int
	busiest                                   int // threads of the worker that has most
	figures                                   map[string]float64
}

func (h held) String() string {
	return fmt.Sprintf("%d descriptors, %d spool files, %d threads, %d goroutines, %v", h.descriptors, h.spooled, h.threads, h.goroutines, h.figures)
}

// mustBeAs fails if more is held than before.
func (h held) mustBeAs(t *testing.T, class string, before held) {
	t.Helper()
	threads, most := h.threadsLeft(class, before)
	for name, pair := range map[string][2]int{
		"descriptors": {h.descriptors, before.descriptors + 3}, "goroutines": {h.goroutines, before.goroutines + 3},
		"spool files": {h.spooled, 0}, "threads of workers": {threads, most},
	} {
		if pair[0] > pair[1] {
			t.Errorf("%s: %d are left, at most %d belong there\nbefore %v\nafter  %v", name, pair[0], pair[1], before, h)
		}
	}
	for name, now := range h.figures {
		if was := before.figures[name]; now > was {
			t.Errorf("%s: %s is left, before it was %s", name, number(now), number(was))
		}
	}
}

func number(f float64) string { return strconv.FormatFloat(f, 'f', -1, 64) }
