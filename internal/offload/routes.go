// Package offload is what --offload says: which requests are jobs, and whether their
// clients wait.
package offload

import (
	"fmt"
	"strconv"
	"strings"

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

// Route is a kind of requests that are jobs.
type Route struct {
	Text    string
	Mode    Mode
	Retry   int // how often one is run again that has failed; -1: as the node says
	pattern pattern.Set
}

// Routes are all of them; of those that match the first one counts.
type Routes []Route

// Parse reads the values of --offload.
func Parse(texts []string) (all Routes, err error) {
	for _, text := range texts {
		parts := strings.Split(text, ",")
		r := Route{Text: strings.TrimSpace(parts[0]), Retry: -1}
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
	if text, ok := strings.CutPrefix(part, "retry="); ok {
		n, err := strconv.ParseUint(text, 10, 8)
		if err != nil {
			return fmt.Errorf("retry=%s is not a number of times", text)
		}
		r.Retry = int(n)
		return nil
	}
	return fmt.Errorf("%q is none of sync, async, both, retry=N", part)
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
