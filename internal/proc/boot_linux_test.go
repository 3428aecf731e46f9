package proc

import (
	"testing"
	"time"
)

func TestWhoWaitsIsGivenUp(t *testing.T) {
	began, given := time.Now(), false
	limit := time.Second
	Boot{
		Process: start1(t, "sleep").Process, Limit: limit, Ready: make(chan struct{}),
		Late: func() { t.Error("it computes") }, GiveUp: func() { given = true },
	}.Watch()
	if took := time.Since(began); !given || took < limit {
		t.Errorf("given up: %v, after %v", given, took)
	}
}

func TestWhoComputesIsWaitedFor(t *testing.T) {
	p := start1(t, "compute").Process
	ready, late, given := make(chan struct{}), 0, false
	limit := 2 * time.Second
	time.AfterFunc(2*limit, func() { close(ready) })
	Boot{Process: p, Limit: limit, Ready: ready, Late: func() { late++ }, GiveUp: func() { given = true }}.Watch()
	if late != 1 || given {
		t.Errorf("told %d times that it is late; given up: %v", late, given)
	}
}
