package main

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"
)

// taken is how long each request was here: from its last byte read to the call that writes its answer.
type taken struct {
	mu   sync.Mutex // guards list
	list []time.Duration
}

func (t *taken) add(d time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.list = append(t.list, d)
}

// report is a response with a line "NAME MILLISECONDS" for each percentile, by the nearest rank, and forgets them.
func (t *taken) report() []byte {
	t.mu.Lock()
	list := t.list
	t.list = nil
	t.mu.Unlock()
	slices.Sort(list)
	var b strings.Builder
	fmt.Fprintf(&b, "count %d\n", len(list))
	if n := len(list); n > 0 {
		for _, p := range []int{50, 90, 95, 99, 100} {
			fmt.Fprintf(&b, "p%d %.3f\n", p, list[(p*n+99)/100-1].Seconds()*1000)
		}
	}
	return fmt.Appendf(nil, "HTTP/1.0 200 OK\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s", b.Len(), b.String())
}
