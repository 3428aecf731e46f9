package lab

import (
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"girin/internal/lab/plan"
	"girin/internal/lab/result"
	"girin/internal/verdict"
)

const forecastPlan = `name: forecast
app: app:app
subjects: [girin]
matrix: {workers: [1, 2, 3, 4], threads: [1, 4], class: [sync]}
control: {subject: girin, class: sync, workers: 1, threads: 1}
endpoints: [{path: /sleep, kind: waiting, takes: 0.2s}]
loads: [{requests: 32, clients: 16}]
`

func forecasterOf(t *testing.T, more string) forecaster {
	t.Helper()
	p, err := plan.Parse("p.yaml", []byte(forecastPlan+more), 2)
	if err != nil {
		t.Fatal(err)
	}
	return forecaster{p, p.Expand(2)}
}

// blocks are the runs that so many blocks would have left, of settings that are all alike.
func (f forecaster) blocks(n int, noise float64, rnd *rand.Rand) *result.Folder {
	folder := &result.Folder{}
	for block := 1; block <= n; block++ {
		for _, v := range f.visits(block) {
			folder.Runs = append(folder.Runs, result.Run{Setting: v.Setting, Scenario: "/sleep", Rate: 100 * (1 + noise*rnd.NormFloat64())})
		}
	}
	return folder
}

// Before it starts a plan says what it can tell, what it takes to see more, and how long that is.
func TestForecast(t *testing.T) {
	for more, want := range map[string][]string{
		"repeats: 1":             {"8 settings, 1 repeat, 9 starts of servers, about", "Nothing will be ranked: that takes 3 repeats, which would tell differences of", "if runs differ by 3 % (--noise)"},
		"repeats: 6":             {"54 starts", "Differences of 9 % and more will be told, 8 times in 10", "."},
		"repeats: 3":             {"for 10 %: --tell 10%, 5 repeats, "},
		"tell: 10%":              {"8 settings, 5 repeats, 45 starts", "Differences of 10 %"},
		"tell: 5%\nnoise: 1%":    {"4 repeats", "if runs differ by 1 %"},
		"tell: 1%\nnoise: 20%":   {"for 1% even 60 repeats are not enough"},
		"repeats: 40\nnoise: 1%": {"360 starts", "about 31m"},
	} {
		said := forecasterOf(t, more).before().String()
		for _, w := range want {
			if !strings.Contains(said, w) {
				t.Errorf("%q lacks %q: %s", more, w, said)
			}
		}
	}
}

// The repeats that tell chooses follow what the runs have shown: fewer on a quiet machine, more on a noisy one, and never
// fewer than there are.
func TestRepeatsFollowTheNoise(t *testing.T) {
	f, rnd := forecasterOf(t, "tell: 10%"), rand.New(rand.NewPCG(1, 2))
	before := f.before().Repeats
	quiet, noisy := f.after(f.blocks(3, 0.01, rnd), 3), f.after(f.blocks(3, 0.08, rnd), 3)
	if quiet.Repeats >= before || noisy.Repeats <= before || !quiet.Measured {
		t.Errorf("%d repeats before, %d on a quiet machine, %d on a noisy one", before, quiet.Repeats, noisy.Repeats)
	}
	if quiet.Tells > 0.1 || noisy.Tells > 0.1 {
		t.Errorf("they tell %v and %v, 0.1 was wanted", quiet.Tells, noisy.Tells)
	}
	if late := f.after(f.blocks(12, 0.01, rnd), 12); late.Repeats != 12 {
		t.Errorf("after 12 blocks %d repeats are wanted", late.Repeats)
	}
	if fixed := forecasterOf(t, "repeats: 5").after(f.blocks(4, 0.08, rnd), 4); fixed.Repeats != 5 {
		t.Errorf("a plan of 5 repeats wants %d", fixed.Repeats)
	}
}

// What the load generators' priority was, and why it was not better, is recorded.
func TestPrioritiesAreRecorded(t *testing.T) {
	m := DescribeMachine()
	tryPriority(&m)
	if m.User == "" || (m.LoadNice == loadNice) == (m.LoadNiceFailed != "") || niceOf(0) != m.Nice {
		t.Errorf("user %q, nice %d (%d now), load's nice %d: %s", m.User, m.Nice, niceOf(0), m.LoadNice, m.LoadNiceFailed)
	}
}

// Repeats that are chosen by what the runs have shown so far keep the error rate: of settings that are all alike, in 95 of 100
// experiments none is ranked behind another.
func TestTellKeepsTheErrorRate(t *testing.T) {
	f, rnd := forecasterOf(t, "tell: 8%"), rand.New(rand.NewPCG(3, 4))
	const trials = 120
	wrong, stops := 0, map[int]int{}
	for range trials {
		folder, blocks := &result.Folder{}, 0
		for {
			blocks++
			for _, v := range f.visits(blocks) {
				folder.Runs = append(folder.Runs, result.Run{Setting: v.Setting, Scenario: "/sleep", Rate: 100 * math.Exp(0.03*rnd.NormFloat64())})
			}
			if blocks >= verdict.MinRuns && f.after(folder, blocks).Repeats <= blocks {
				break
			}
		}
		stops[blocks]++
		for _, samples := range f.samples(folder) {
			for _, place := range verdict.Rank(samples, result.RuleOf(false)).Place {
				if place != 1 {
					wrong++
					break
				}
			}
		}
	}
	t.Logf("%d of %d experiments ranked; they ended after so many blocks: %v", wrong, trials, stops)
	if wrong > trials*8/100 {
		t.Errorf("%d of %d experiments without a difference were ranked", wrong, trials)
	}
}
