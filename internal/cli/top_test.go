//go:build !windows

package cli

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	tea "charm.land/bubbletea/v2"

	"girin/internal/control"
	"girin/internal/sched"
)

// aStatus is one of a server that computes, sleeps and has just grown.
func aStatus() control.Status {
	return control.Status{
		Version: "1.2.3", PID: 41, App: "app:app", Class: "auto", Cores: 2, Uptime: 61 * time.Second,
		Addresses: []string{"http://127.0.0.1:8000"}, Conns: 7,
		Sched: sched.Status{
			InFlight: 3, Capacity: 384, Queued: 5, Computing: 1, Slots: 2,
			Workers: []sched.WorkerStatus{
				{PID: 42, Lane: "compute", Slots: 128, Running: []sched.Running{{ID: 1, Route: "GET /compute", Age: 90 * time.Millisecond}}},
				{PID: 43, Lane: "main", Slots: 128, Running: []sched.Running{
					{ID: 2, Route: "GET /sleep/*", Age: 20 * time.Millisecond}, {ID: 3, Route: "GET /sleep/*", Age: 1500 * time.Millisecond},
				}},
			},
			Routes: []sched.RouteStatus{
				{Name: "GET /sleep/*", Count: 900, Kind: "waiting", ServiceP50: 200 * time.Millisecond, Limit: 64, Active: 2},
				{Name: "GET /compute", Count: 100, Kind: "computing", CPUP50: 100 * time.Millisecond},
			},
			Waits: []time.Duration{time.Millisecond, 2 * time.Millisecond},
		},
		Decisions: []control.Decision{{Text: "the first"}, {Text: "the latest"}},
	}
}

// send gives the model a message, and returns the next model.
func send(t *testing.T, m tea.Model, msg tea.Msg) (top, tea.Cmd) {
	t.Helper()
	next, cmd := m.Update(msg)
	return next.(top), cmd
}

func TestTopAsksAtOnceAndAgain(t *testing.T) {
	asked := 0
	m := top{ask: func() (control.Status, error) { asked++; return aStatus(), nil }}
	m, again := send(t, m, m.Init()())
	if asked != 1 || again == nil {
		t.Fatalf("asked %d times", asked)
	}
	_, fetch := send(t, m, due{})
	if fetch(); asked != 2 {
		t.Errorf("asked %d times", asked)
	}
	for _, want := range []string{"app:app", "compute", "GET /sleep/* 1500.0 ms", "2 of 64", "computing 1 of 2", "q quits"} {
		if !strings.Contains(m.screen(), want) {
			t.Errorf("%q is not on the screen:\n%s", want, m.screen())
		}
	}
	if v := m.screen(); strings.Index(v, "the latest") > strings.Index(v, "the first") {
		t.Error("the latest decision is not the first shown")
	}
}

func TestTopCountsRequests(t *testing.T) {
	began := time.Now()
	m, _ := send(t, top{}, answered{aStatus(), nil, began})
	later := aStatus()
	later.Sched.Routes[0].Count += 500
	m, _ = send(t, m, answered{later, nil, began.Add(2 * time.Second)})
	if !strings.Contains(m.screen(), "250 requests/s") {
		t.Error(m.screen())
	}
}

// A narrow or low terminal gets what fits, and always how to leave.
func TestTopFitsAnyTerminal(t *testing.T) {
	for _, size := range [][2]int{{80, 24}, {40, 10}, {20, 3}, {10, 1}, {1, 1}, {300, 100}} {
		m, _ := send(t, top{}, answered{aStatus(), nil, time.Now()})
		m, _ = send(t, m, tea.WindowSizeMsg{Width: size[0], Height: size[1]})
		lines := strings.Split(m.screen(), "\n")
		if len(lines) > size[1] {
			t.Errorf("%v: %d lines", size, len(lines))
		}
		for _, line := range lines {
			if n := utf8.RuneCountInString(line); n > size[0] {
				t.Errorf("%v: %d characters: %q", size, n, line)
			}
		}
	}
}

func TestTopKeepsTheScreenWhenTheServerIsGone(t *testing.T) {
	m, _ := send(t, top{}, answered{aStatus(), nil, time.Now()})
	m, again := send(t, m, answered{control.Status{}, errors.New("it has ended"), time.Now()})
	if v := m.screen(); !strings.Contains(v, "GET /sleep/*") || !strings.Contains(v, "no answer: it has ended") {
		t.Error(v)
	}
	if again == nil {
		t.Error("it does not ask again")
	}
}

func TestTopQuits(t *testing.T) {
	for _, key := range []tea.KeyPressMsg{{Code: 'q', Text: "q"}, {Code: 'c', Mod: tea.ModCtrl}, {Code: tea.KeyEscape}} {
		_, cmd := send(t, top{}, key)
		if cmd == nil {
			t.Errorf("%v does nothing", key)
		} else if _, quits := cmd().(tea.QuitMsg); !quits {
			t.Errorf("%v does not quit", key)
		}
	}
	if _, cmd := send(t, top{}, tea.KeyPressMsg{Code: 'x', Text: "x"}); cmd != nil {
		t.Error("x does something")
	}
}

// What clients put into paths must not reach a terminal.
func TestNamesAreShownWithoutControlCharacters(t *testing.T) {
	s := aStatus()
	evil := "GET /\x1b[2J\nworker 1\t\x07\xff" + strings.Repeat("x", 500)
	s.Sched.Routes[0].Name = evil
	s.Sched.Workers[0].Running[0].Route = evil
	s.Decisions[0].Text = evil
	text := formatStatus(s, time.Now())
	if strings.ContainsAny(text, "\x1b\x07\t") || !utf8.ValidString(text) || strings.Contains(text, "\nworker 1") || strings.Contains(text, strings.Repeat("x", shownName)) {
		t.Errorf("%q", text)
	}
	if !strings.Contains(text, "GET /?[2J?worker 1??\ufffdxxx") {
		t.Errorf("%q", text)
	}
	if s.Sched.Routes[0].Name != evil {
		t.Error("the status itself was changed")
	}
}

func TestTopNeedsATerminal(t *testing.T) {
	var stdout, stderr bytes.Buffer
	if code := Run([]string{"top"}, strings.NewReader(""), &stdout, &stderr); code != 2 || !strings.Contains(stderr.String(), "no terminal") {
		t.Errorf("exit %d: %s", code, &stderr)
	}
}
