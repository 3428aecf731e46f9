package tune

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	"girin/internal/bench"
	"girin/internal/verdict"
)

// Answer is what to deploy, and why.
type Answer struct {
	Best     *Candidate    `json:"best"`
	Auto     *Candidate    `json:"auto,omitempty"`
	Rate     float64       `json:"rate"` // requests per second that Best holds, confirmed
	Verdict  bench.Verdict `json:"verdict"`
	Sentence string        `json:"sentence"`
	// Unconfirmed is why a longer run did not hold what the runs before held.
	Unconfirmed string    `json:"unconfirmed,omitempty"`
	Limit       string    `json:"limit,omitempty"`
	Machines    string    `json:"machines,omitempty"`
	Others      []Against `json:"others,omitempty"` // the other finalists beside the one of the highest rate
}

// Against is a finalist beside the one with the highest rate.
type Against struct {
	Setting Setting         `json:"setting"`
	Change  float64         `json:"change"`
	Low     float64         `json:"low"`
	High    float64         `json:"high"`
	Verdict verdict.Verdict `json:"verdict"`
	Reason  string          `json:"reason,omitempty"`
}

// margin is a difference between settings that nobody deploys another for.
const margin = 0.05

// choose finds the setting to deploy among those that were measured to the end: of all whose rate is
// not shown to be worse than the highest, and not below it by more than the margin, the one with the
// least memory; auto also if it takes a tenth more. alone says that none with threads may be taken.
func choose(found []*Candidate, alone string) *Answer {
	a := &Answer{Verdict: bench.Undecided}
	var last []*Candidate // of the highest stage, the one with the highest rate first
	for _, c := range found {
		if c.Setting == (Setting{Class: auto}) {
			a.Auto = c
		}
		if (alone == "" || !threaded(c.Setting)) && c.Rate() > 0 && (len(last) == 0 || c.Stage == last[0].Stage) {
			last = append(last, c)
		}
	}
	a.compare(last)
	for i, c := range last {
		if i == 0 || a.Others[i-1].Verdict != verdict.Worse && c.Rate() >= (1-margin)*last[0].Rate() && lighter(c, a.Best) {
			a.Best = c
		}
	}
	if a.Best == nil {
		return nil
	}
	a.Rate = a.Best.Rate()
	return a
}

// threaded reports whether a setting runs several requests in one process.
func threaded(s Setting) bool { return s.Class != "sync" }

// lighter reports whether a takes less memory than b. A tenth is no reason to leave auto, or to take
// what shares memory between processes.
func lighter(a, b *Candidate) bool {
	ma, mb := a.MemoryMiB(), b.MemoryMiB()
	switch {
	case b.Setting.Class == auto || a.Setting.Preload:
		return ma < 0.9*mb
	case a.Setting.Class == auto:
		return ma < 1.1*mb
	}
	return ma < mb
}

// compare lays each beside the first. The verdicts hold together: among all of them none is wrong, with
// 95 % certainty.
func (a *Answer) compare(list []*Candidate) {
	var pairs []verdict.Pair
	for _, c := range list[min(1, len(list)):] {
		pairs = append(pairs, verdict.Pair{Old: list[0].Rates, New: c.Rates})
	}
	for i, v := range verdict.CompareAll(pairs, len(pairs), verdict.Rule{MoreIsBetter: true}) {
		c := list[i+1]
		a.Others = append(a.Others, Against{
			Setting: c.Setting, Change: c.Rate()/list[0].Rate() - 1, Low: v.Low, High: v.High, Verdict: v.Verdict, Reason: v.Reason,
		})
	}
}

// Beside finds how a finalist compares with the one of the highest rate.
func (a *Answer) Beside(s Setting) *Against {
	for i := range a.Others {
		if a.Others[i].Setting == s {
			return &a.Others[i]
		}
	}
	return nil
}

// say writes the sentence.
func (a *Answer) say(r *Result) {
	s := fmt.Sprintf("%s holds %s requests/s within %s", quoted(a.Best.Setting), figure(a.Rate), r.SLO)
	top, n := a.top(r), r.Tried()
	switch {
	case n == 1:
		s += "; no other setting was tried"
	case top == a.Best:
		s += fmt.Sprintf(", the most of %s%s", r.choice(n), a.autoBeside())
	default:
		beside := a.Beside(a.Best.Setting)
		s += fmt.Sprintf(", %s the best of %s, %s; %s", below(beside.Change), r.choice(n), quoted(top.Setting), beside.certainty())
		if saved := top.MemoryMiB() - a.Best.MemoryMiB(); saved >= 1 {
			s += fmt.Sprintf("; %.0f MiB less", saved)
		}
		if top.Setting.Class != auto {
			s += a.autoBeside()
		}
	}
	switch a.Verdict {
	case bench.Holds:
		s += "; confirmed by a longer run, certain to 95 %"
	case bench.Undecided:
		s += "; held as far as the requests of the budget can tell"
	case bench.Fails:
		s += "; a longer run did not hold it: " + oneLine(a.Unconfirmed)
	}
	a.Sentence = s + "."
}

// choice names the settings, of n that were tried, that one could be taken from.
func (r *Result) choice(n int) string {
	if r.Alone != "" {
		return "the settings without threads"
	}
	return fmt.Sprintf("%d settings", n)
}

// top is the setting of the highest rate among those that may be taken.
func (a *Answer) top(r *Result) *Candidate {
	for _, c := range r.Candidates {
		if c.Stage == a.Best.Stage && a.Beside(c.Setting) == nil && c.Rate() > 0 && (r.Alone == "" || !threaded(c.Setting)) {
			return c
		}
	}
	return a.Best
}

// autoBeside says how far auto is from the best; nothing if auto, with preload or without, is what
// the sentence is about.
func (a *Answer) autoBeside() string {
	switch {
	case a.Auto == nil || a.Best.Setting.Class == auto:
		return ""
	case a.Auto.Rate() == 0:
		return "; auto holds no rate"
	}
	against := a.Beside(a.Auto.Setting)
	if against == nil {
		return fmt.Sprintf("; auto held %s before it was given up", figure(a.Auto.Rate()))
	}
	return fmt.Sprintf("; auto is %s the best (%s); %s", below(against.Change), figure(a.Auto.Rate()), against.certainty())
}

// unsteady warns where the longer run held much less than the runs before.
func (a *Answer) unsteady() string {
	if before := a.Best.Rate(); a.Rate < (1-2*margin)*before {
		return fmt.Sprintf("The longer run held %s requests/s, the runs before %s: the machine has other things to do, or the application slows down.", figure(a.Rate), figure(before))
	}
	return ""
}

// brief is how many times what is held in the end a short look may have seen: such looks are that coarse.
const brief = 1.5

// outdone warns where a setting held much more in an earlier look than the best one does in the end.
func (a *Answer) outdone(r *Result) string {
	for _, c := range r.Candidates {
		for _, m := range c.Runs {
			if m.Rate > brief*a.Best.Rate() && (r.Alone == "" || !threaded(c.Setting)) {
				return fmt.Sprintf("%s held %s requests/s when it was looked at before, much more than any setting later: the machine has other things to do, or what holds shortly does not hold for long. Another run may choose another setting.",
					upper(quoted(c.Setting)), figure(m.Rate))
			}
		}
	}
	return ""
}

// below says how far a rate is below another, in whole percents.
func below(change float64) string {
	percents := math.Round(-100 * change)
	if percents <= 0 {
		return "as good as"
	}
	return fmt.Sprintf("%.0f %% below", percents)
}

func (a *Against) certainty() string {
	between := fmt.Sprintf("(95 %%: %s to %s)", percent(a.Low), percent(a.High))
	switch {
	case a.Reason != "" && a.Low == 0 && a.High == 0:
		return "there were too few runs to tell whether they differ"
	case a.Verdict == verdict.Worse:
		return "the difference is real " + between
	}
	return "the difference is within the noise " + between
}

func percent(share float64) string { return fmt.Sprintf("%+.0f %%", 100*share) }

// quoted sets a setting's options apart from the sentence.
func quoted(s Setting) string {
	if s.String() == auto {
		return auto
	}
	return "`" + s.String() + "`"
}

// headroom is the share of what a machine holds that one plans with.
const headroom = 0.8

// machines says how many machines a rate needs.
func (a *Answer) machines(rate float64, cores int) {
	if rate <= 0 || a.Rate <= 0 {
		return
	}
	n := math.Ceil(rate / (headroom * a.Rate))
	noun := "machines"
	if n == 1 {
		noun = "machine"
	}
	a.Machines = fmt.Sprintf("%s requests/s need %.0f %s of this kind (%d cores, which the load generator shared), each with %.0f %% of what it holds.",
		figure(rate), n, noun, cores, 100*headroom)
}

// figure writes a rate with three digits, or all of them above.
func figure(v float64) string {
	if v > 0 && v < 0.05 {
		return "less than 0.1"
	}
	if v >= 1000 {
		text := strconv.FormatFloat(v, 'f', 0, 64)
		for i := len(text) - 3; i > 0; i -= 3 {
			text = text[:i] + "," + text[i:]
		}
		return text
	}
	if v >= 100 {
		return strconv.FormatFloat(v, 'f', 0, 64)
	}
	return strings.TrimSuffix(strconv.FormatFloat(v, 'f', 1, 64), ".0")
}
