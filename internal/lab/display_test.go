package lab

import (
	"bytes"
	"testing"

	"girin/internal/lab/result"
)

func TestEachReasonToSkipIsSaidOnce(t *testing.T) {
	var out bytes.Buffer
	NewDisplay(&out, false).Show(Progress{Skipped: []result.Skip{
		{What: "a 1x1", Why: "no gevent"}, {What: "b 1x1", Why: "not installed"}, {What: "a 1x2", Why: "no gevent"},
		{What: "a 1x4", Why: "no gevent"}, {What: "a 2x1", Why: "no gevent"}, {What: "a 2x2", Why: "no gevent"},
	}})
	want := "skipped: a 1x1, a 1x2, a 1x4 and 2 more: no gevent\nskipped: b 1x1: not installed\n"
	if out.String() != want {
		t.Errorf("got\n%swant\n%s", &out, want)
	}
}
