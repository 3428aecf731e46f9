package guard_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"girin/internal/guard"
)

type log struct {
	mu    sync.Mutex
	lines []string
}

func (l *log) Criticalf(format string, args ...any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lines = append(l.lines, fmt.Sprintf(format, args...))
}

func (l *log) text() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Join(l.lines, "\n")
}

func TestAPartThatPanicsIsStartedAgain(t *testing.T) {
	var l log
	g := &guard.Guard{Log: &l, End: func(why string) { t.Errorf("the server ends: %s", why) }}
	runs := 0
	g.Keep(guard.Part{Name: "sweeper", Run: func() {
		if runs++; runs < 3 {
			panic("it broke")
		}
	}})
	if runs != 3 || g.Restarts()["sweeper"] != 2 {
		t.Errorf("it ran %d times; restarts %v", runs, g.Restarts())
	}
	if text := l.text(); !strings.Contains(text, "panic in sweeper: it broke") || !strings.Contains(text, "guard_test.go") {
		t.Errorf("the log does not name the part, the cause and the place:\n%s", text)
	}
}

func TestAPartThatCannotBeKeptEndsTheServerOnce(t *testing.T) {
	for name, part := range map[string]guard.Part{
		"it panics again and again": {Run: func() { panic("always") }},
		"it left a lock behind":     {Run: func() { panic("once") }, Sound: func() bool { return false }},
	} {
		t.Run(name, func(t *testing.T) {
			var ends []string
			g := &guard.Guard{Log: new(log), End: func(why string) { ends = append(ends, why) }}
			part.Name = "watcher"
			g.Keep(part)
			g.Keep(part)
			if len(ends) != 1 || !strings.Contains(ends[0], "watcher") {
				t.Errorf("the server was ended by %q", ends)
			}
		})
	}
}

func TestRarePanicsAreForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := &guard.Guard{Log: new(log), End: func(why string) { t.Errorf("the server ends: %s", why) }}
		runs := 0
		g.Keep(guard.Part{Name: "deadlines", Run: func() {
			if runs++; runs < 20 {
				time.Sleep(time.Minute)
				panic("now and then")
			}
		}})
	})
}

func TestWithoutAGuardAPanicGoesOn(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("the panic was kept")
		}
	}()
	var g *guard.Guard
	g.Keep(guard.Part{Run: func() { panic("seen") }})
}
