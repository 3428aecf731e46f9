//go:build !race

package front

import "testing"

// The race detector makes pools forget, so `make test` runs this file without it.

// All goroutines are counted: front, scheduler, poller.
func TestARequestAllocatesNothing(t *testing.T) {
	l := newLoop(t)
	var fault error
	n := testing.AllocsPerRun(1000, func() {
		if err := l.once(); err != nil {
			fault = err
		}
	})
	if fault != nil || n > 0 {
		t.Errorf("a request costs %v allocations; %v", n, fault)
	}
}
