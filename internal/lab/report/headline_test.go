package report

import (
	"fmt"
	"strings"
	"testing"

	"girin/internal/lab/plan"
)

func TestStarvation(t *testing.T) {
	f := invent(t, mixedPlan, func(s plan.Setting, st plan.Stream) float64 {
		if s.Subject == "gunicorn" {
			return 0.1 * st.Ideal
		}
		return 0.99 * st.Ideal
	})
	html, said := render(t, f)
	if want := "By gunicorn sync 5x1: light got 5"; !strings.Contains(said, want) && !strings.Contains(said, "light got 4.9") {
		t.Errorf("the summary lacks %q:\n%s", want, said)
	}
	if n := strings.Count(html, `class="l0"`); n != 2 {
		t.Errorf("%d cells of the overview are red, want gunicorn's 2", n)
	}
	if strings.Contains(said, "By girin") || !strings.Contains(html, "starved") {
		t.Errorf("starvation is told wrongly:\n%s", said)
	}
}

// With the 6 repeats that are recommended, and with 3, a setting 100 times slower than the
// others is not first, and the best says that it is alone if it is twice as good.
func TestTheSlowestIsNotFirst(t *testing.T) {
	for _, repeats := range []int{3, 6} {
		f := invent(t, fmt.Sprintf(matrixPlan, repeats), func(s plan.Setting, _ plan.Stream) float64 {
			switch s.ID() {
			case "gunicorn sync 1x1":
				return 1
			case "girin gevent 4x4":
				return 200
			}
			return 100
		})
		for _, p := range panels(f) {
			slow, best := p.cell("gunicorn sync 1x1"), p.cell("girin gevent 4x4")
			if slow.Place != len(p.Cells)-1 || best.Place != 1 || p.cell("girin sync 1x1").Place != 2 {
				t.Errorf("%d repeats, %s: places %d and %d of %d", repeats, p.Name(), best.Place, slow.Place, len(p.Cells)-1)
			}
		}
		if _, said := render(t, f); !strings.Contains(said, "girin gevent 4x4 won") {
			t.Errorf("%d repeats: %s", repeats, said)
		}
	}
}

// A server that answers few requests, quickly, does not win by their latency.
func TestWhoStarvesDoesNotWin(t *testing.T) {
	source := strings.Replace(mixedPlan, "name: mixed\n", "name: mixed\nrepeats: 4\n", 1)
	f := invent(t, source, func(plan.Setting, plan.Stream) float64 { return 50 })
	for i := range f.Runs {
		if r := &f.Runs[i]; r.Stream == "light" && r.Setting.Subject == "gunicorn" {
			r.OK, r.Failed, r.Rate = 20, 480, 2
			r.Latency.P50, r.Latency.P99, r.P99DueMS = 0.1, 0.2, unanswered
		}
	}
	for _, p := range panels(f) {
		c := p.cell("gunicorn sync 5x1")
		if p.Stream != "light" {
			continue
		}
		if best := p.best(func(*cell) bool { return true }); best == c || c.Place != 3 {
			t.Errorf("%s is the best, place %d", best.Key(), c.Place)
		}
		_, said := render(t, f)
		if strings.Contains(said, "0.2 ms") || !strings.Contains(said, "light got 2 of 50/s") {
			t.Errorf("said: %s", said)
		}
	}
}

// A report begins with one sentence and one picture, which name each server's best.
func TestHeadline(t *testing.T) {
	f := invent(t, fmt.Sprintf(matrixPlan, 3), waits)
	h := headlineOf(f, panels(f))
	for _, want := range []string{"Of sleep (which waits for 0.2 s), girin gevent", "requests a second, gunicorn gevent", "; of compute (which computes), girin"} {
		if !strings.Contains(h.Sentence, want) {
			t.Errorf("%q lacks %q", h.Sentence, want)
		}
	}
	html, _ := render(t, f)
	picture, summary := strings.Index(html, "each server in its best setting"), strings.Index(html, `class="summary`)
	if h.Picture == nil || picture < 0 || picture > summary {
		t.Errorf("the picture is at %d, the summary at %d", picture, summary)
	}
	for i := range f.Runs {
		f.Runs[i].Invalid = "did not start"
	}
	if h := headlineOf(f, panels(f)); h.Picture != nil || h.Sentence != "Nothing valid was measured." {
		t.Errorf("of nothing: %+v", h)
	}
	if said, want := strings.Join(status(f, panels(f)), " "), fmt.Sprintf("%[1]d of %[1]d runs do not count; of the first: did not start.", len(f.Runs)); !strings.Contains(said, want) {
		t.Errorf("%q lacks %q", said, want)
	}
}
