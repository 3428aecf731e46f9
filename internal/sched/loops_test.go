package sched

import (
	"strings"
	"testing"
	"time"
)

// loops is a machine of two cores with an event loop for each.
var loops = clusterSize{Cores: 2, Workers: 2, Most: 5, Threads: 1000, Waiting: 256, Boot: 300 * time.Millisecond, Loops: true}

var block = phase{Block: 200 * time.Millisecond}

// What holds a loop is learned and kept from the light requests.
func TestLoopsServeAMixedLoad(t *testing.T) {
	onCluster(t, loops, func(t *testing.T, s *cluster) {
		const lasts = 20 * time.Second
		began := time.Now()
		waits := []func(){
			s.clients(8, lasts, "/compute", heavy),
			s.clients(2, lasts, "/block", block),
			s.clients(64, lasts, "/sleep", sleep),
			s.every(20*time.Millisecond, lasts, "/light", quick),
		}
		for _, wait := range waits {
			wait()
		}
		if p99, n := latency(s.jobs, "/light", began.Add(-time.Second)); p99 > 10*time.Millisecond || n < 990 {
			t.Errorf("light, from the beginning: p99 %v of %d", p99, n)
		}
		settled := began.Add(3 * time.Second)
		if p99, n := latency(s.jobs, "/sleep", settled); p99 > 210*time.Millisecond || n < 5000 {
			t.Errorf("sleeping: p99 %v of %d", p99, n)
		}
		if _, n := latency(s.jobs, "/compute", settled); n < 120 {
			t.Errorf("computing: %d", n)
		}
	})
}

// A loop runs all that wait, however many, once it is known that they do.
func TestLoopsRunAllThatWait(t *testing.T) {
	onCluster(t, loops, func(t *testing.T, s *cluster) {
		var jobs []*autoJob
		for range 1500 {
			_, j := s.ask("/wait", phase{Sleep: 10 * time.Second})
			jobs = append(jobs, j)
		}
		for _, j := range jobs {
			<-j.ended
		}
		if took := time.Since(jobs[0].asked); took > 11*time.Second {
			t.Errorf("1500 requests that wait 10 s took %v on two loops", took)
		}
	})
}

// Of a route of which nothing is known one request tells what the others do.
func TestACrowdForABlockingRouteHoldsOneLoop(t *testing.T) {
	onCluster(t, loops, func(t *testing.T, s *cluster) {
		light := s.every(10*time.Millisecond, 3*time.Second, "/light", quick)
		time.Sleep(500 * time.Millisecond)
		crowd := s.clients(20, 2*time.Second, "/block", block)
		light()
		crowd()
		if p99, n := latency(s.jobs, "/light", time.Time{}); p99 > 10*time.Millisecond || n < 290 {
			t.Errorf("light: p99 %v of %d", p99, n)
		}
	})
}

// A request that blocks uses no CPU, and yet its loop runs no other: it keeps its slot.
func TestABlockingRequestKeepsItsSlot(t *testing.T) {
	onCluster(t, loops, func(t *testing.T, s *cluster) {
		s.clients(3, 5*time.Second, "/block", block)()
		for _, d := range s.decisions {
			if strings.Contains(d, "its slot is free") || strings.Contains(d, "may share") {
				t.Error(d)
			}
		}
	})
}

// The processes that blocking requests needed are given back.
func TestLoopsAreGivenBack(t *testing.T) {
	onCluster(t, loops, func(t *testing.T, s *cluster) {
		light := s.every(20*time.Millisecond, 10*time.Second, "/light", quick)
		s.clients(4, 10*time.Second, "/compute", heavy)()
		light()
		if workers, _, _ := s.count(); workers != 3 {
			t.Errorf("%d loops while two requests compute, want 3", workers)
		}
		time.Sleep(3 * time.Minute)
		if workers, compute, _ := s.count(); workers != 2 || compute != 0 {
			t.Errorf("%d loops are left, %d compute", workers, compute)
		}
	})
}
