package supervisor_test

import (
	"context"
	"errors"
	"os"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"girin/internal/guard"
	"girin/internal/supervisor"
	"girin/internal/worker"
)

// hanging launches so many workers as version does, and waits with the others
// until it may no longer.
func hanging(well int32, begun chan<- struct{}) func(r *rig) supervisor.Launch {
	return func(r *rig) supervisor.Launch {
		launch := version("serves", "1")(r)
		var n atomic.Int32
		return func(ctx context.Context, name string, to worker.Receiver) (*worker.Worker, error) {
			if n.Add(1) <= well {
				return launch(ctx, name, to)
			}
			begun <- struct{}{}
			<-ctx.Done()
			return nil, context.Cause(ctx)
		}
	}
}

func soon(t *testing.T, what string, f func()) {
	t.Helper()
	done := make(chan struct{})
	go func() { defer close(done); f() }()
	select {
	case <-done:
	case <-time.After(time.Second):
		t.Fatalf("%s waits for a start that hangs", what)
	}
}

// A hook or a fork may hang: what else is asked of the supervisor does not wait
// for it, neither the restart of a stuck worker nor the end.
func TestNothingWaitsForAStartThatHangs(t *testing.T) {
	begun := make(chan struct{}, 9)
	r := newRig(t, 1, hanging(1, begun))
	r.waitReady()
	r.Scale(1)
	<-begun
	soon(t, "a sign of life", func() {
		if err := r.Alive(context.Background()); err != nil {
			t.Error(err)
		}
	})
	r.wantVersion("1")
	soon(t, "the restart of a worker", func() {
		w := r.started()[0]
		r.Restart(w, "the test wants it")
		<-w.Done()
	})
	soon(t, "the end", func() {
		r.stop()
		if err := r.end(); err != nil {
			t.Error(err)
		}
	})
}

func TestAReloadGivesAStartUpThatHangs(t *testing.T) {
	begun := make(chan struct{}, 9)
	r := newRig(t, 1, hanging(1, begun))
	r.waitReady()
	r.Scale(1)
	<-begun
	r.Reload(supervisor.Next{Launch: version("serves", "2")(r), Workers: 1})
	r.logged(1, "generation 2 serves")
	r.logged(1, "Worker exiting")
	r.wantVersion("2")
}

func TestAPanicInAStartIsThatWorkersFailure(t *testing.T) {
	r := newRig(t, 1, func(*rig) supervisor.Launch {
		return func(context.Context, string, worker.Receiver) (*worker.Worker, error) { panic("it broke") }
	})
	var boot *supervisor.BootError
	if err := r.end(); !errors.As(err, &boot) || boot.Text != "panic: it broke" {
		t.Errorf("Run returned %v", err)
	}
	r.logged(1, "critical: panic in the start of worker 1: it broke")
}

func TestAPanicOfTheSupervisorIsSurvived(t *testing.T) {
	var broke atomic.Bool
	r := newRig(t, 1, version("serves", "1"), func(c *supervisor.Config) {
		c.Guard = &guard.Guard{Log: c.Log, End: func(why string) { t.Errorf("the server ends: %s", why) }}
		c.Ended = func(*worker.Worker) {
			if !broke.Swap(true) {
				panic("it broke")
			}
		}
	})
	r.waitReady()
	kill(r.started()[0])
	r.logged(1, "panic in supervisor: it broke")
	r.logged(2, "Booting worker")
	r.wantVersion("1")
	r.stop()
	if err := r.end(); err != nil {
		t.Error(err)
	}
}

// What cannot be kept ends: the server is told, its workers finish, Run returns.
func TestASupervisorThatAlwaysPanicsEnds(t *testing.T) {
	told := make(chan string, 1)
	r := newRig(t, 2, version("serves", "1"), func(c *supervisor.Config) {
		c.Guard = &guard.Guard{Log: c.Log, End: func(why string) { told <- why }}
		c.Scaled = func(int, int) { panic("it broke") }
	})
	r.waitReady()
	for range 4 {
		r.Scale(1)
	}
	<-told
	if err := r.end(); err != nil {
		t.Error(err)
	}
	if alive := r.alive(); len(alive) > 0 {
		t.Errorf("%d workers live", len(alive))
	}
	for _, w := range r.started()[:2] { // a third may not be ready
		if err := w.Process().Err(); err != nil {
			t.Errorf("%s did not finish: %v", w.Name(), err)
		}
	}
}

// Clients were given the time to end: what is left of it is the workers'.
func TestAStopTakesItsTimeOnce(t *testing.T) {
	r := newRig(t, 1, version("waits", "1", gate(t)), func(c *supervisor.Config) {
		c.StopGrace = func() time.Duration { return 50 * time.Millisecond } // of a minute
	})
	r.waitReady()
	r.call()
	waitBusy(t, r.started()[0])
	r.stop()
	if err := r.end(); err != nil {
		t.Error(err)
	}
}

// An application that is heavy to import is ready sooner where no more workers boot than there are cores.
func TestNoMoreWorkersBootAtOnceThanMay(t *testing.T) {
	g := gate(t)
	r := newRig(t, 5, version("late", "1", g), func(c *supervisor.Config) { c.BootAtOnce = 2 })
	r.logged(2, "Booting worker")
	for deadline := time.Now().Add(time.Minute); r.queue.Capacity() < 5; time.Sleep(time.Millisecond) {
		if started, serve := len(r.started()), r.queue.Capacity(); started-serve > 2 {
			t.Fatalf("%d were started while %d served", started, serve)
		}
		if f, err := os.OpenFile(g, os.O_WRONLY|syscall.O_NONBLOCK, 0); err == nil { // one or two wait there
			f.Close()
		}
		if time.Now().After(deadline) {
			t.Fatalf("only %d of 5 serve", r.queue.Capacity())
		}
	}
	r.waitReady()
	r.wantVersion("1")
}
