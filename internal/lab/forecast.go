package lab

import (
	"fmt"
	"math"
	"strings"
	"time"

	"girin/internal/lab/plan"
	"girin/internal/lab/result"
	"girin/internal/verdict"
)

// A Forecast is what a plan will be able to tell, said before it starts, and again when its
// own runs have shown how much they differ by themselves.
type Forecast struct {
	Settings int // that are compared
	Repeats  int
	Starts   int           // of servers
	Takes    time.Duration // 0 once it is known from the runs
	Spread   verdict.Spread
	Measured bool       // Spread is of this plan's runs, not an assumption
	Tells    float64    // the smallest difference that is found 8 times in 10; infinite if nothing is ranked
	Wanted   plan.Share // by the plan's tell; 0 if it does not say
	Needed   int        // repeats for Wanted; 0 if none are enough
}

// assumedNoise is what runs on a machine with nothing else to do differ by: measured on
// several, of two cores and of sixteen.
const assumedNoise plan.Share = 0.03

// mostBlocks bounds what a plan's tell may ask for.
const mostBlocks = 60

// forecaster knows what it takes to make one.
type forecaster struct {
	plan     *plan.Plan
	settings []plan.Setting
}

// before forecasts from an assumed noise.
func (f forecaster) before() Forecast {
	noise := f.plan.Noise
	if noise == 0 {
		noise = assumedNoise
	}
	out := f.of(verdict.Spread{SD: float64(noise), Prior: math.Inf(1)}, false)
	out.Repeats = f.plan.Repeats
	if out.Wanted > 0 {
		out.Repeats = bounded(out.Needed)
	}
	out.Starts = out.Repeats * len(f.visits(1))
	out.Takes = time.Duration(out.Repeats) * f.plan.Takes(f.settings, UsableCores())
	out.Tells = f.tells(out)
	return out
}

// after forecasts from the runs of so many whole blocks.
func (f forecaster) after(folder *result.Folder, blocks int) Forecast {
	var worst verdict.Spread
	for _, samples := range f.samples(folder) {
		if s := verdict.Noise(samples, result.RuleOf(false)); s.SD > worst.SD {
			worst = s
		}
	}
	out := f.of(worst, true)
	out.Repeats = f.plan.Repeats
	if out.Wanted > 0 {
		out.Repeats = max(blocks, bounded(out.Needed))
	}
	out.Starts = out.Repeats * len(f.visits(1))
	out.Tells = f.tells(out)
	return out
}

func bounded(repeats int) int {
	if repeats == 0 {
		return mostBlocks
	}
	return min(repeats, mostBlocks)
}

func (f forecaster) of(s verdict.Spread, measured bool) Forecast {
	out := Forecast{Spread: s, Measured: measured, Wanted: f.plan.Tell}
	for _, setting := range f.settings {
		if !setting.Again {
			out.Settings++
		}
	}
	if out.Wanted > 0 && s.SD > 0 {
		out.Needed = verdict.Repeats(s, out.Settings, float64(out.Wanted), result.RuleOf(false))
	}
	return out
}

func (f forecaster) tells(out Forecast) float64 {
	return verdict.Tells(out.Spread, out.Settings, out.Repeats, result.RuleOf(false))
}

func (f forecaster) visits(block int) []plan.Visit { return f.plan.Block(block, f.settings) }

// samples are the valid runs' metrics by panel and setting: those of rates, or of latencies
// where the plan has no others. The p99 of a stream differs from run to run by many times
// what its rate does, so that a wanted difference is one of rates.
func (f forecaster) samples(folder *result.Folder) map[result.Cell][][]float64 {
	closed, open := map[result.Cell]map[string][]float64{}, map[result.Cell]map[string][]float64{}
	for i := range folder.Runs {
		r := &folder.Runs[i]
		if r.Invalid != "" || r.Metric() >= verdict.Worst {
			continue
		}
		panels := closed
		if r.Open() {
			panels = open
		}
		panel := r.Cell()
		panel.Setting = ""
		if panels[panel] == nil {
			panels[panel] = map[string][]float64{}
		}
		panels[panel][r.Setting.ID()] = append(panels[panel][r.Setting.ID()], r.Metric())
	}
	if len(closed) == 0 {
		closed = open
	}
	out := map[result.Cell][][]float64{}
	for panel, settings := range closed {
		for _, values := range settings {
			out[panel] = append(out[panel], values)
		}
	}
	return out
}

// String is the forecast in words.
func (f Forecast) String() string {
	said := fmt.Sprintf("%d settings, %s, %d starts of servers", f.Settings, times(f.Repeats, "repeat"), f.Starts)
	if f.Takes > 0 {
		said += ", about " + roughly(f.Takes)
	}
	noise := fmt.Sprintf("if runs differ by %.2g %% (--noise)", 100*f.Spread.SD)
	if f.Measured {
		noise = fmt.Sprintf("runs of one setting differ by %s", percent(f.Spread.SD))
	}
	switch {
	case math.IsInf(f.Tells, 1):
		said += fmt.Sprintf(". Nothing will be ranked: that takes %d repeats, which would tell differences of %s, %s",
			verdict.MinRuns, percent(verdict.Tells(f.Spread, max(f.Settings, 2), verdict.MinRuns, result.RuleOf(false))), noise)
	default:
		said += fmt.Sprintf(". Differences of %s and more will be told, 8 times in 10, %s", percent(f.Tells), noise)
	}
	return said + f.advice() + "."
}

// advice is how to see more.
func (f Forecast) advice() string {
	switch {
	case f.Wanted > 0 && f.Needed == 0 || f.Needed > mostBlocks:
		return fmt.Sprintf("; for %v even %d repeats are not enough", f.Wanted, mostBlocks)
	case f.Wanted > 0 || f.Measured || f.Settings < 2:
		return ""
	}
	n := verdict.Repeats(f.Spread, f.Settings, 0.1, result.RuleOf(false))
	if n <= f.Repeats {
		return ""
	}
	takes := time.Duration(float64(f.Takes) * float64(n) / float64(f.Repeats))
	return fmt.Sprintf("; for 10 %%: --tell 10%%, %d repeats, %s", n, roughly(takes))
}

// roughly writes a time as exactly as an estimate deserves.
func roughly(d time.Duration) string {
	if d < 2*time.Minute {
		return fmt.Sprintf("%.0f s", d.Seconds())
	}
	return strings.TrimSuffix(d.Round(time.Minute).String(), "0s")
}

// percent writes a difference, a large one as a factor.
func percent(share float64) string {
	if share >= 1 {
		return fmt.Sprintf("a factor of %.2g", 1+share)
	}
	return fmt.Sprintf("%.0f %%", 100*share)
}

func times(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}
