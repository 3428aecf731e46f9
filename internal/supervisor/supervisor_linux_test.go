package supervisor_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"girin/internal/sched"
	"girin/internal/supervisor"
	"girin/internal/worker"
	"girin/internal/worker/workertest"
)

func TestSoManyWorkersServeAndEnd(t *testing.T) {
	r := newRig(t, 3, version("serves", "1"))
	r.waitReady()
	if n := r.queue.Capacity(); n != 3 || len(r.started()) != 3 {
		t.Errorf("capacity %d, %d started", n, len(r.started()))
	}
	r.wantVersion("1")
	r.stop()
	if err := r.end(); err != nil {
		t.Error(err)
	}
	for _, w := range r.started() {
		if err := w.Process().Err(); err != nil {
			t.Errorf("%s ended with %v", w.Name(), err)
		}
	}
	r.logged(3, "Worker exiting")
	if n := r.queue.Capacity(); n != 0 || r.ready != 1 {
		t.Errorf("capacity %d; Ready was called %d times", n, r.ready)
	}
	r.Scale(1) // after the end nothing happens, and nothing hangs
	r.Kill()
}

func TestAKilledWorkerIsReplaced(t *testing.T) {
	r := newRig(t, 2, version("serves", "1"))
	r.waitReady()
	for i := range 3 {
		victim := r.alive()[0]
		kill(victim)
		<-victim.Done()
		r.logged(i+1, "was ended by signal 9")
		r.logged(i+3, "Booting worker")
		r.wantVersion("1")
	}
}

func TestACallThatAKilledWorkerRanFails(t *testing.T) {
	r := newRig(t, 1, version("waits", "1", gate(t)))
	r.waitReady()
	ended := r.call()
	w := r.started()[0]
	waitBusy(t, w)
	kill(w)
	if o := r.answered(ended); !errors.Is(o.cause, sched.ErrWorkerDied) {
		t.Errorf("it ended with %v", o.cause)
	}
	r.logged(1, "; with it ended GET /, which ran ")
}

// waitBusy waits until a worker has noted a request. The page has no signal:
// this looks.
func waitBusy(t *testing.T, w *worker.Worker) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); w.Busy() == 0; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the worker begins nothing")
		}
	}
}

func TestWorkersThatCrashAtOnceAreStartedSlower(t *testing.T) {
	began := time.Now()
	r := newRig(t, 1, version("crashes", "1"))
	r.logged(1, "3 workers crashed in a row; the next starts in 100ms")
	r.logged(1, "4 workers crashed in a row; the next starts in 500ms")
	if d := time.Since(began); d < 100*time.Millisecond {
		t.Errorf("four crashes within %v", d)
	}
	r.logged(5, "Booting worker")
	if d := time.Since(began); d < 600*time.Millisecond {
		t.Errorf("five starts within %v", d)
	}
}

func TestAnApplicationThatCannotBeServed(t *testing.T) {
	tests := map[string]struct {
		launch func(r *rig) supervisor.Launch
		boot   time.Duration
		code   int
		text   string
	}{
		"broken":   {launch: version("broken", "1"), code: 4, text: "no such app"},
		"dies":     {launch: version("dies", "1"), code: 3, text: "exited with code 5"},
		"too slow": {launch: version("silent", "1"), boot: 50 * time.Millisecond, code: 3, text: "not ready within 50ms"},
		"cannot be started": {
			launch: func(*rig) supervisor.Launch {
				return func(context.Context, string, worker.Receiver) (*worker.Worker, error) {
					return nil, errors.New("no python")
				}
			},
			code: 1, text: "no python",
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, 2, test.launch, func(c *supervisor.Config) {
				if test.boot > 0 {
					c.Boot = test.boot
				}
			})
			var boot *supervisor.BootError
			if err := r.end(); !errors.As(err, &boot) || boot.Code != test.code || !strings.Contains(boot.Text, test.text) {
				t.Errorf("Run returned %v; want code %d and %q", err, test.code, test.text)
			}
			if alive := r.alive(); len(alive) > 0 || r.ready > 0 {
				t.Errorf("%d workers live; Ready was called %d times", len(alive), r.ready)
			}
		})
	}
}

func TestAWorkerThatHangsTellsWhere(t *testing.T) {
	r := newRig(t, 1, version("hangs", "1"), func(c *supervisor.Config) { c.Boot = time.Second })
	r.logged(1, "it hangs here")
	var boot *supervisor.BootError
	if err := r.end(); !errors.As(err, &boot) || !strings.Contains(boot.Text, "not ready within 1s") {
		t.Errorf("Run returned %v", err)
	}
}

// One that waits is given up ("too slow" above).
func TestAWorkerThatComputesIsWaitedFor(t *testing.T) {
	r := newRig(t, 1, version("imports", "1", "3s"), func(c *supervisor.Config) { c.Boot = time.Second })
	r.waitReady()
	r.logged(1, "is not ready after 1s; it is waited for")
	r.wantVersion("1")
}

func TestAPatientServerWaitsForAReload(t *testing.T) {
	told := make(chan *supervisor.BootError, 10)
	r := newRig(t, 1, version("broken", "1"), func(c *supervisor.Config) {
		c.Failed = func(why *supervisor.BootError) bool { told <- why; return true }
	})
	if why := <-told; why == nil || why.Code != 4 {
		t.Errorf("told %v", why)
	}
	r.Reload(supervisor.Next{Launch: version("serves", "2")(r), Workers: 1})
	if why := <-told; why != nil {
		t.Errorf("told %v, want that it is well", why)
	}
	r.waitReady()
	r.wantVersion("2")
}

func TestAReloadKeepsTheOldWorkersUntilANewOneIsReady(t *testing.T) {
	g := gate(t)
	r := newRig(t, 2, version("serves", "1"))
	r.waitReady()
	r.Reload(supervisor.Next{Launch: version("late", "2", g)(r), Workers: 2})
	r.logged(3, "Booting worker")
	if n := len(r.started()); n != 3 {
		t.Errorf("%d workers were started, want one of the new generation", n)
	}
	r.wantVersion("1")
	if n := r.queue.Capacity(); n != 2 {
		t.Errorf("capacity %d", n)
	}
	open(t, g)
	r.logged(1, "Reloaded: generation 2 serves")
	open(t, g) // the second follows
	r.logged(2, "Worker exiting")
	r.wantVersion("2")
	if r.ready != 1 {
		t.Errorf("Ready was called %d times", r.ready)
	}
}

func TestAFailedReloadChangesNothing(t *testing.T) {
	for name, launch := range map[string]func(r *rig) supervisor.Launch{
		"broken": version("broken", "2"),
		"dies":   version("dies", "2"),
		"cannot be started": func(*rig) supervisor.Launch {
			return func(context.Context, string, worker.Receiver) (*worker.Worker, error) {
				return nil, errors.New("no python")
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, 2, version("serves", "1"))
			r.waitReady()
			before := r.alive()
			r.Reload(supervisor.Next{Launch: launch(r), Workers: 3})
			r.logged(1, "Reload failed: the application cannot be loaded; the running version stays")
			r.Scale(0) // which is done after all that came before
			r.logged(1, "Workers: 2")
			r.wantVersion("1")
			if n := r.queue.Capacity(); n != 2 {
				t.Errorf("capacity %d", n)
			}
			for _, w := range before {
				select {
				case <-w.Done():
					t.Errorf("%s has ended", w.Name())
				default:
				}
			}

			// The version that stays is kept running, and another reload works.
			kill(before[0])
			r.logged(1, "was ended by signal 9")
			r.Reload(supervisor.Next{Launch: version("serves", "3")(r), Workers: 1})
			r.logged(1, "generation 2 serves")
			r.logged(1, "Worker exiting")
			r.wantVersion("3")
		})
	}
}

func TestAReloadWhileAnotherIsUnderWay(t *testing.T) {
	g := gate(t)
	r := newRig(t, 1, version("serves", "1"))
	r.waitReady()
	r.Reload(supervisor.Next{Launch: version("late", "2", g)(r), Workers: 1})
	r.logged(2, "Booting worker")
	r.Reload(supervisor.Next{Launch: version("serves", "3")(r), Workers: 1})
	r.logged(1, "Another reload comes before the last one is ready, and takes its place")
	r.logged(1, "generation 2 serves")
	r.logged(1, "Worker exiting")
	r.wantVersion("3")
}

func TestScale(t *testing.T) {
	r := newRig(t, 2, version("serves", "1"))
	r.waitReady()
	r.Scale(1)
	r.logged(3, "Booting worker")
	r.wantVersion("1")
	r.Scale(-1)
	r.Scale(-5)
	r.logged(2, "Worker exiting")
	r.logged(1, "Workers: 1")
	r.wantVersion("1")
	if n := len(r.alive()); n != 1 {
		t.Errorf("%d workers live", n)
	}
}

// Who serves already has clients, and perhaps sockets: of workers that turn out to be too many
// while they start, those end that have none.
func TestWorkersThatAreTooManyDoNotBegin(t *testing.T) {
	var first atomic.Pointer[worker.Worker]
	r := newRig(t, 3, version("serves", "1"), func(c *supervisor.Config) {
		c.Serving = func(w *worker.Worker) (int, error) {
			if first.CompareAndSwap(nil, w) {
				return 1, nil
			}
			return 0, nil
		}
	})
	r.waitReady()
	r.logged(2, "Worker exiting")
	if alive := r.alive(); len(alive) != 1 || alive[0] != first.Load() {
		t.Errorf("%d workers live, or another one than served first", len(alive))
	}
	r.wantVersion("1")
}

func TestDrainingLetsARequestFinish(t *testing.T) {
	g := gate(t)
	r := newRig(t, 1, version("waits", "1", g))
	r.waitReady()
	ended := r.call()
	waitBusy(t, r.started()[0])
	r.stop()
	open(t, g)
	if o := r.answered(ended); o.body != "1" {
		t.Errorf("it ended with %q, %v", o.body, o.cause)
	}
	if err := r.end(); err != nil {
		t.Error(err)
	}
	if err := r.started()[0].Process().Err(); err != nil {
		t.Errorf("the worker ended with %v", err)
	}
}

func TestAWorkerThatDoesNotFinishIsKilledAfterTheGraceTime(t *testing.T) {
	r := newRig(t, 1, version("waits", "1", gate(t)), func(c *supervisor.Config) { c.Grace = 50 * time.Millisecond })
	r.waitReady()
	ended := r.call()
	w := r.started()[0]
	waitBusy(t, w)
	r.stop()
	if err := r.end(); err != nil {
		t.Error(err)
	}
	r.logged(1, "did not finish within 50ms and is killed")
	if o := r.answered(ended); !errors.Is(o.cause, sched.ErrWorkerDied) {
		t.Errorf("the request ended with %v", o.cause)
	}
	if sig := w.Process().Signalled(); sig != syscall.SIGKILL {
		t.Errorf("signal %v", sig)
	}
}

func TestKillEndsAllAtOnce(t *testing.T) {
	r := newRig(t, 2, version("waits", "1", gate(t)))
	r.waitReady()
	ended := r.call()
	for r.alive()[0].Busy()+r.alive()[1].Busy() == 0 {
		time.Sleep(time.Millisecond) // the page has no signal
	}
	r.Kill()
	if err := r.end(); err != nil {
		t.Error(err)
	}
	if o := r.answered(ended); o.cause == nil {
		t.Errorf("it was answered %q", o.body)
	}
}

func TestKillBusySparesWhoRunsNothing(t *testing.T) {
	r := newRig(t, 2, version("waits", "1", gate(t)), func(c *supervisor.Config) {
		c.StopGrace = func() time.Duration { return 0 }
	})
	r.waitReady()
	ended := r.call()
	for r.alive()[0].Busy()+r.alive()[1].Busy() == 0 {
		time.Sleep(time.Millisecond) // the page has no signal
	}
	busy, idle := r.started()[0], r.started()[1]
	if busy.Busy() == 0 {
		busy, idle = idle, busy
	}
	r.KillBusy()
	r.stop()
	if err := r.end(); err != nil {
		t.Error(err)
	}
	if o := r.answered(ended); o.cause == nil {
		t.Errorf("it was answered %q", o.body)
	}
	if code := busy.Process().ExitCode(); code != workertest.QuitCode {
		t.Errorf("who ran the request ended with code %d", code)
	}
	if code := idle.Process().ExitCode(); code != 0 {
		t.Errorf("who ran nothing ended with code %d", code)
	}
}

func TestReplaceStartsTheNextBeforeTheOldOneGoes(t *testing.T) {
	r := newRig(t, 1, version("serves", "1"))
	r.waitReady()
	old := r.started()[0]
	r.Replace(old, "the test wants it")
	r.logged(1, "the test wants it")
	<-old.Done()
	if err := old.Process().Err(); err != nil {
		t.Errorf("it ended with %v", err)
	}
	r.wantVersion("1")
	if n := r.queue.Capacity(); n != 1 {
		t.Errorf("capacity %d", n)
	}
	r.Replace(old, "it has gone already") // nothing happens
	r.Scale(0)
	r.logged(1, "Workers: 1")
	if n := len(r.started()); n != 2 {
		t.Errorf("%d workers were started", n)
	}
}

func TestRestartEndsAWorkerAtOnce(t *testing.T) {
	r := newRig(t, 1, version("waits", "1", gate(t)))
	r.waitReady()
	ended := r.call()
	old := r.started()[0]
	waitBusy(t, old)
	r.Restart(old, "it can do nothing")
	if o := r.answered(ended); !errors.Is(o.cause, sched.ErrWorkerDied) {
		t.Errorf("its request ended with %v", o.cause)
	}
	r.logged(2, "Booting worker")
}

func TestAWorkerKilledWhileItBootsIsNoReasonToEnd(t *testing.T) {
	g := gate(t)
	r := newRig(t, 1, version("late", "1", g))
	r.logged(1, "Booting worker")
	r.started()[0].Process().Kill()
	r.logged(2, "Booting worker")
	open(t, g)
	r.waitReady()
	r.wantVersion("1")
}

func TestAWorkerKilledWhileAReloadBootsIsNoReasonToGiveItUp(t *testing.T) {
	g := gate(t)
	r := newRig(t, 1, version("serves", "1"))
	r.waitReady()
	r.Reload(supervisor.Next{Launch: version("late", "2", g)(r), Workers: 1})
	r.logged(2, "Booting worker")
	r.started()[1].Process().Kill()
	r.logged(3, "Booting worker")
	r.wantVersion("1")
	open(t, g)
	r.logged(1, "generation 2 serves")
	r.logged(1, "Worker exiting")
	r.wantVersion("2")
}

func TestAReloadWhoseWorkersAreKilledAgainAndAgainSaysSo(t *testing.T) {
	r := newRig(t, 1, version("serves", "1"))
	r.waitReady()
	r.Reload(supervisor.Next{Launch: version("late", "2", gate(t))(r), Workers: 1})
	for n := 1; n <= 4; n++ {
		r.logged(n+1, "Booting worker")
		r.started()[n].Process().Kill()
	}
	r.logged(1, "Reload failed: its workers are killed before they are ready; the running version stays")
	r.wantVersion("1")
}

func TestWorkersKilledAgainAndAgainWhileTheyBootEndTheServer(t *testing.T) {
	r := newRig(t, 1, version("late", "1", gate(t)))
	for n := 1; n <= 4; n++ {
		r.logged(n, "Booting worker")
		r.started()[n-1].Process().Kill()
	}
	var boot *supervisor.BootError
	if err := r.end(); !errors.As(err, &boot) || boot.Code != 3 {
		t.Errorf("it ended with %v", err)
	}
}

func TestAStoppedWorkerIsRestarted(t *testing.T) {
	r := newRig(t, 2, version("serves", "1"), func(c *supervisor.Config) { c.Silence = 2 * time.Second })
	r.waitReady()
	stopped, other := r.started()[0], r.started()[1]
	if err := stopped.Process().Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	r.logged(1, "it has not answered for 2s")
	<-stopped.Done()
	r.logged(3, "Booting worker")
	r.wantVersion("1")
	if alive := r.alive(); len(alive) != 2 || !slices.Contains(alive, other) {
		t.Errorf("%d workers live, or the one that answered was ended", len(alive))
	}
}

func TestRecycling(t *testing.T) {
	r := newRig(t, 1, version("serves", "1"), func(c *supervisor.Config) { c.Recycle.Requests = 101 })
	r.waitReady()
	first := r.started()[0]
	for range 101 {
		r.wantVersion("1")
	}
	r.logged(1, "it has answered 101 requests")
	<-first.Done()
	r.wantVersion("1")
}
