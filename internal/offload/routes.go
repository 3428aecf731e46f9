// Package offload is what --offload says: which requests are jobs, whether their clients
// wait, and how many of them may run.
package offload

import (
	"fmt"
	"hash/fnv"
	"slices"
	"strconv"
	"strings"
	"time"

	"girin/internal/pattern"
)

// Mode says whether clients of a route wait for their answers.
type Mode uint8

// The modes of a route.
const (
	Sync  Mode = iota // they wait
	Async             // they get 202
	Both              // they get 202 if they ask for it
)

var modes = map[string]Mode{"sync": Sync, "async": Async, "both": Both}

// Priorities of jobs, the first ones first; Usual is that of those of which nothing is said.
var Priorities = []string{"high", Usual, "low"}

// Usual is the priority in between.
const Usual = "mid"

// Route is a kind of requests that are jobs.
type Route struct {
	Text     string
	Mode     Mode
	Retry    int           // how often one is run again that has failed; -1: as the node says
	Limit    int           // how many of them run at once, on all nodes together; 0: as many as there is room for
	Timeout  time.Duration // how long one may run; 0: only the server's own limit holds
	Priority string        // one of Priorities
	pattern  pattern.Set
}

// Routes are all of them; of those that match the first one counts.
type Routes []Route

// Parse reads the values of --offload.
func Parse(texts []string) (all Routes, err error) {
	for _, text := range texts {
		parts := strings.Split(text, ",")
		r := Route{Text: strings.TrimSpace(parts[0]), Retry: -1, Priority: Usual}
		if r.pattern, err = pattern.Parse(parts[:1]); err != nil {
			return nil, err
		}
		for _, part := range parts[1:] {
			if err := r.set(strings.TrimSpace(part)); err != nil {
				return nil, fmt.Errorf("%q: %w", text, err)
			}
		}
		all = append(all, r)
	}
	return all, nil
}

func (r *Route) set(part string) error {
	if mode, ok := modes[part]; ok {
		r.Mode = mode
		return nil
	}
	key, value, _ := strings.Cut(part, "=")
	switch key {
	case "retry":
		n, err := strconv.ParseUint(value, 10, 8)
		if err != nil {
			return fmt.Errorf("retry=%s is not a number of times", value)
		}
		r.Retry = int(n)
	case "limit":
		n, err := strconv.ParseUint(value, 10, 16)
		if err != nil || n == 0 {
			return fmt.Errorf("limit=%s is not how many may run at once: a number from 1 on", value)
		}
		r.Limit = int(n)
	case "timeout":
		seconds, err := strconv.ParseFloat(value, 64)
		if err != nil || !(seconds > 0 && seconds <= timeoutMost) {
			return fmt.Errorf("timeout=%s is not a time in seconds", value)
		}
		r.Timeout = time.Duration(seconds * float64(time.Second))
	case "priority":
		if !slices.Contains(Priorities, value) {
			return fmt.Errorf("priority=%s is none of high, mid, low", value)
		}
		r.Priority = value
	default:
		return fmt.Errorf("%q is none of sync, async, both, retry=N, limit=N, timeout=SECONDS, priority=high|mid|low", part)
	}
	return nil
}

const timeoutMost = 1e6

// Class names those that wait in one line: of one priority, and if their route has a limit
// those of that route alone.
func (r *Route) Class() string {
	if r.Limit == 0 {
		return r.Priority
	}
	h := fnv.New64a()
	_, _ = h.Write([]byte(r.Text))
	return fmt.Sprintf("%s-%016x", r.Priority, h.Sum64())
}

// Find returns the first route that matches a request; nil: none does.
func (all Routes) Find(method, path []byte) *Route {
	for i := range all {
		if all[i].pattern.Match(method, path) {
			return &all[i]
		}
	}
	return nil
}
