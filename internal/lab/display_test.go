package lab

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/charmbracelet/x/ansi"

	"girin/internal/lab/plan"
	"girin/internal/lab/result"
)

func TestEachReasonToSkipIsSaidOnce(t *testing.T) {
	var out bytes.Buffer
	NewDisplay(&out, nil).Show(Progress{Skipped: []result.Skip{
		{What: "a 1x1", Why: "no gevent"}, {What: "b 1x1", Why: "not installed"}, {What: "a 1x2", Why: "no gevent"},
		{What: "a 1x4", Why: "no gevent"}, {What: "a 2x1", Why: "no gevent"}, {What: "a 2x2", Why: "no gevent"},
	}})
	want := "skipped: a 1x1, a 1x2, a 1x4 and 2 more: no gevent\nskipped: b 1x1: not installed\n"
	if out.String() != want {
		t.Errorf("got\n%swant\n%s", &out, want)
	}
}

// A line that wraps cannot be redrawn: it would stay on the screen, once for each step.
func TestTheLiveLineFitsItsTerminal(t *testing.T) {
	for _, width := range []int{1, 20, 40, 200} {
		var out bytes.Buffer
		d := NewDisplay(&out, func() int { return width })
		d.Show(Progress{Visit: plan.Visit{Block: 1}, Total: 144, Blocks: 3, Left: time.Hour, ScenarioBegun: strings.Repeat("요청", 40)})
		line := strings.TrimPrefix(out.String(), "\r\x1b[K")
		if ansi.StringWidth(line) >= max(width, 2) || width == 200 && !strings.Contains(line, "1h0m0s left") {
			t.Errorf("%d columns: %q", width, line)
		}
	}
}

// What a server printed moves nobody's cursor.
func TestAServersEscapeCodesAreShown(t *testing.T) {
	var out bytes.Buffer
	runs := []result.Run{{Stream: "page", Invalid: "it ended: \x1b]0;owned\x07\x1b[2J"}}
	NewDisplay(&out, nil).Show(Progress{JustFinished: runs, Skipped: []result.Skip{{What: "a", Why: "\x1b[31mno"}}})
	if strings.ContainsAny(out.String(), "\x1b\x07") || !strings.Contains(out.String(), `\x1b[2J`) {
		t.Errorf("%q", out.String())
	}
}
