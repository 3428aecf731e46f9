//go:build !race

package front

import (
	"runtime"
	"testing"
)

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

// What is sealed must fit into the room that it is written from, whatever the size of an
// answer: one that grew it by a half cost as much again for the collector as TLS itself.
func TestALargeAnswerOverTLSAllocatesLittle(t *testing.T) {
	f := newAuthority(t).files(t)
	keys, err := OpenTLS(TLSOptions{CertFile: f.cert, KeyFile: f.key})
	if err != nil {
		t.Fatal(err)
	}
	for _, kib := range []int{10, 56, 60, 64, 100, 200} {
		l := newLoopOf(t, make([]byte, kib<<10), keys)
		answers := func(n int) {
			for range n {
				if err := l.once(); err != nil {
					t.Fatal(err)
				}
			}
		}
		answers(50) // pools are filled
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		answers(200)
		runtime.ReadMemStats(&after)
		if each := (after.TotalAlloc - before.TotalAlloc) / 200; each > 16<<10 {
			t.Errorf("an answer of %d KiB allocates %d bytes", kib, each)
		}
	}
}
