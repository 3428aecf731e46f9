package sched

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"girin/internal/guard"
)

// guardLog collects what a guard says.
type guardLog struct {
	mu    sync.Mutex
	lines []string
	ends  []string
}

func (l *guardLog) Criticalf(format string, args ...any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lines = append(l.lines, fmt.Sprintf(format, args...))
}

// said is how the server was ended, and what the log says.
func (l *guardLog) said() (ends, lines []string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.ends), slices.Clone(l.lines)
}

func (l *guardLog) guard() *guard.Guard {
	return &guard.Guard{Log: l, End: func(why string) {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.ends = append(l.ends, why)
	}}
}

// A panic of the deadlines costs one look: what runs too long later is given up.
func TestDeadlinesGoOnAfterAPanic(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log guardLog
		r := new(reports)
		b := newBench(t, 8, func(c *Config) {
			c.Guard, c.Deadlines = log.guard(), r.deadlines(time.Second, time.Minute)
			tell := c.Deadlines.Overdue
			c.Deadlines.Overdue = func(o Overdue) {
				if tell(o); len(r.overdue) == 1 {
					panic("the log is full")
				}
			}
		})
		w := newFakeWorker(1, 2)
		b.Attach(w)
		for i := range 2 {
			c, a := b.call("/")
			b.submit(c)
			w.set(i, b.read().ID)
			time.Sleep(2 * time.Second)
			checkEnd(t, a, ErrTimeout)
		}
		if ends, lines := log.said(); len(ends) != 0 || len(lines) == 0 || !strings.Contains(lines[0], "panic in the deadlines: the log is full") {
			t.Errorf("ended %v; the log says %q", ends, lines)
		}
	})
}

// Where a part leaves a lock held, nothing would go on: the server ends.
func TestAPanicUnderALockEndsTheServer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log guardLog
		b := newBench(t, 8, func(c *Config) { c.Guard = log.guard() })
		b.launch(guard.Part{Name: "a part", Sound: b.sound, Run: func() {
			b.mu.Lock()
			panic("under a lock")
		}})
		time.Sleep(time.Second)
		b.mu.Unlock()
		if ends, _ := log.said(); len(ends) != 1 || !strings.Contains(ends[0], "a part") {
			t.Errorf("ended %q", ends)
		}
	})
}

// panicky is a worker that cannot be told what to read at first.
type panicky struct {
	idleWorker
	left *int
}

func (w panicky) Select(uint32) {
	if *w.left > 0 {
		*w.left--
		panic("not now")
	}
}

// Auto's manager is started again with what it knew.
func TestAutosManagerGoesOnAfterAPanic(t *testing.T) {
	var log guardLog
	panics := 1
	synctest.Test(t, func(t *testing.T) {
		lanes := newFakeLanes(16)
		q := New(Config{
			Lane: lanes[0], Arena: newFakeArena(), Cells: 64, Waits: 100, Window: 1 << 10, Clock: clock, Guard: log.guard(),
			Auto: &Auto{
				Compute: lanes[1], Cores: 2, Workers: 2, Most: 3, Threads: 8, Resize: func(int, string) {}, Decided: func(string) {},
				MemoryLeft: func() (int64, bool) { return 0, false },
			},
		})
		q.Start()
		defer q.Close()
		w := panicky{idleWorker{newFakeWorker(1, 4)}, &panics}
		q.Attach(w)
		time.Sleep(time.Second)
		if q.auto.reads(w) == 0 {
			t.Error("nobody told the worker what to read")
		}
	})
	if ends, _ := log.said(); len(ends) != 0 || panics != 0 {
		t.Errorf("ended %q; %d panics are left", ends, panics)
	}
}
