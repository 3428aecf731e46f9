//go:build !windows

package cli

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	tea "charm.land/bubbletea/v2"
	"github.com/spf13/pflag"

	"girin/internal/control"
	"girin/internal/program"
)

const topUsage = `Shows what a running server does, live: girin ctl status, every second. q quits.

usage: girin top [OPTIONS]

`

// runTop is the top command.
func runTop(env *program.Env, args []string) int {
	f := newCtlFlags("girin top")
	err := inWords(f.set.Parse(args))
	if errors.Is(err, pflag.ErrHelp) {
		io.WriteString(env.Stdout, topUsage+f.set.FlagUsages())
		return 0
	}
	if err == nil && f.set.NArg() > 0 {
		err = fmt.Errorf("unexpected argument %q", f.set.Arg(0))
	}
	if err == nil && !(onTerminal(env.Stdin) && onTerminal(env.Stdout)) {
		err = errors.New("this is no terminal; girin ctl status prints the same once")
	}
	if err != nil {
		fmt.Fprintf(env.Stderr, "girin top: %v\n", err)
		return program.Usage
	}
	path, err := f.path(env)
	if err != nil {
		fmt.Fprintf(env.Stderr, "girin top: %v\n", err)
		return program.Failed
	}
	t := top{ask: func() (control.Status, error) { return askStatus(env, ctlFlags{socket: &path}) }}
	if first := t.fetch().(answered); first.err != nil {
		fmt.Fprintf(env.Stderr, "girin top: %v\n", first.err)
		return program.Failed
	}
	_, err = tea.NewProgram(t, tea.WithInput(env.Stdin), tea.WithOutput(env.Stdout)).Run()
	if err != nil {
		fmt.Fprintf(env.Stderr, "girin top: %v\n", err)
		return program.Failed
	}
	return 0
}

// topEvery is how often top asks.
const topEvery = time.Second

// top is what the screen shows: the last status, and what became of asking. It
// is a bubbletea model, a value that Update replaces.
type top struct {
	ask           func() (control.Status, error)
	last, before  answered
	width, height int
}

// answered is what a server said, and when.
type answered struct {
	status control.Status
	err    error
	at     time.Time
}

// due says that it is time to ask again.
type due struct{}

func (t top) fetch() tea.Msg {
	s, err := t.ask()
	return answered{s, err, time.Now()}
}

// Init asks at once.
func (t top) Init() tea.Cmd { return t.fetch }

// Update takes a key, a new size or an answer.
func (t top) Update(msg tea.Msg) (tea.Model, tea.Cmd) {
	switch m := msg.(type) {
	case tea.KeyPressMsg:
		switch m.String() {
		case "q", "Q", "esc", "ctrl+c":
			return t, tea.Quit
		}
	case tea.WindowSizeMsg:
		t.width, t.height = m.Width, m.Height
	case due:
		return t, t.fetch
	case answered:
		if m.err != nil { // the last that is known stays on the screen
			m.status = t.last.status
		}
		t.before, t.last = t.last, m
		return t, tea.Tick(topEvery, func(time.Time) tea.Msg { return due{} })
	}
	return t, nil
}

// View is the whole screen.
func (t top) View() tea.View {
	v := tea.NewView(t.screen())
	v.AltScreen = true
	return v
}

// screen is as much of the status as there is room for, the latest decision first.
func (t top) screen() string {
	if t.last.at.IsZero() {
		return "asking the server"
	}
	s := t.last.status
	s.Decisions = slices.Clone(s.Decisions)
	slices.Reverse(s.Decisions)
	lines := strings.Split(strings.TrimRight(formatStatus(s, t.last.at), "\n"), "\n")
	foot := fmt.Sprintf("%s   q quits", t.rate())
	if t.last.err != nil {
		foot = fmt.Sprintf("no answer: %v   q quits", t.last.err)
	}
	return fit(lines, foot, t.width, t.height)
}

// rate is how many requests were served per second between the last two answers.
func (t top) rate() string {
	elapsed := t.last.at.Sub(t.before.at).Seconds()
	if t.before.at.IsZero() || t.before.err != nil || elapsed <= 0 || t.before.status.PID != t.last.status.PID {
		return "... requests/s"
	}
	return fmt.Sprintf("%.0f requests/s", float64(served(t.last.status)-served(t.before.status))/elapsed)
}

func served(s control.Status) (n int64) {
	for _, r := range s.Sched.Routes {
		n += int64(r.Count)
	}
	return n
}

// fit cuts lines to a screen whose last line is foot. A size of 0 is not known
// yet and cuts nothing.
func fit(lines []string, foot string, width, height int) string {
	if height > 0 && len(lines) > height-1 {
		lines = lines[:max(height-1, 0)]
	}
	lines = append(slices.Clip(lines), foot)
	for i, line := range lines {
		lines[i] = cut(line, width)
	}
	return strings.Join(lines, "\n")
}

// cut shortens a line to so many characters, and says so.
func cut(line string, width int) string {
	if width <= 0 || utf8.RuneCountInString(line) <= width {
		return line
	}
	return string([]rune(line)[:width-1]) + "…"
}
