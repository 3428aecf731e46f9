package tune

import (
	"cmp"
	"context"
	"math/rand/v2"
	"slices"
	"time"
)

// Search looks for the best setting by successive halving.
type Search struct {
	Settings   []Setting // the first stays to the end
	Cores      int
	Measure    func(context.Context, Setting, Effort) (Measurement, error)
	Budget     time.Duration
	Seed       uint64
	Exhaustive bool // every setting is measured as the last ones are: slow, and for checks of the search
	Blocks     int  // of an exhaustive search, 0: leastBlocks; a single one is coarse, and gives up early as screen does
	Alone      bool // threads are not safe: auto is looked at, and goes no further
	Progress   func(Step)

	all     []*Candidate
	elapsed time.Duration
}

// Step is told after each measurement.
type Step struct {
	Stage       Stage
	Candidate   *Candidate
	Done, Total int // of the stage
	Elapsed     time.Duration
}

// Bounds of a search.
const (
	leastProbe   = 250 * time.Millisecond
	longestProbe = 2 * time.Second
	kept         = 3 // a third goes on
	leastKept    = 4
	finalists    = 3   // besides auto
	hopeless     = 0.5 // of the best rate: who does not hold that shortly is given up
	leastBlocks  = 3
	mostBlocks   = 5
	// Shares of the budget by whose end the stages are over.
	screenShare = 0.40
	secondShare = 0.55
)

// probe is how long a probe of the first stage lasts.
func (s *Search) probe() time.Duration {
	return min(max(s.Budget/600, leastProbe), longestProbe)
}

// Run searches, and returns the candidates that were tried, best first. If ctx ends it returns its
// error together with what is known.
func (s *Search) Run(ctx context.Context) ([]*Candidate, error) {
	for _, setting := range shuffled(s.Settings, s.Cores, s.Seed) {
		s.all = append(s.all, &Candidate{Setting: setting})
	}
	var err error
	if s.Exhaustive {
		err = s.final(ctx, slices.Clone(s.all), cmp.Or(s.Blocks, leastBlocks))
	} else {
		err = s.halve(ctx)
	}
	tried := slices.DeleteFunc(slices.Clone(s.all), func(c *Candidate) bool { return c.Stage == Untried })
	takeBack(tried)
	rank(tried)
	return tried, err
}

// takeBack is for a search that ends when one candidate alone was measured further, once: that says
// nothing of the others. Its rates are then all that were seen of it, beside those of the others.
func takeBack(tried []*Candidate) {
	if len(tried) < 2 {
		return
	}
	slices.SortStableFunc(tried, func(a, b *Candidate) int { return cmp.Compare(b.Stage, a.Stage) })
	if c := tried[0]; c.Stage > tried[1].Stage && c.Stage > Screened && len(c.Rates) == 1 {
		c.Stage, c.Rates = tried[1].Stage, nil
		for _, m := range c.Runs {
			c.Rates = append(c.Rates, m.Rate)
		}
	}
}

func (s *Search) halve(ctx context.Context) error {
	if err := s.screen(ctx); err != nil {
		return err
	}
	if s.best() == 0 || s.elapsed+2*s.elapsed/time.Duration(s.tried()) > s.Budget {
		return nil // what was seen shortly is all that there is time for: two more looks at least could be compared
	}
	second := s.leaders(max(leastKept, (s.tried()+kept-1)/kept))
	second = append(second, s.neighbours(second)...)
	if err := s.second(ctx, second); err != nil {
		return err
	}
	if s.elapsed >= s.Budget {
		return nil
	}
	n := finalists + 1 // with the twin
	for n > 1 && s.elapsed+s.block(n+1) > s.Budget {
		n--
	}
	last := s.leaders(min(n, finalists))
	if len(last) == 0 {
		return nil
	}
	if twin := s.preloaded(last); twin != nil && n > finalists {
		last = append(last, twin)
	}
	return s.final(ctx, last, mostBlocks)
}

// screen tries settings shortly, as many as the budget allows, and gives up early on those that
// cannot hold half of what the best can.
func (s *Search) screen(ctx context.Context) error {
	e := Effort{Probe: s.probe(), Longest: 2, Precision: 0.25, Step: 2}
	tooSlow := 0
	for i, c := range s.all {
		if i > 1 && s.elapsed+s.elapsed/time.Duration(i) > time.Duration(screenShare*float64(s.Budget)) || tooSlow == 3 {
			return nil
		}
		e.Start, e.Floor = hopeless*s.best(), hopeless*s.best() // one probe, for those that are given up
		m, err := s.measure(ctx, c, Screened, e, i, len(s.all))
		if err != nil {
			return err
		}
		if m.TooSlow && s.best() == 0 {
			tooSlow++ // it is not the setting that is slow
		}
	}
	return nil
}

// second tries the better ones longer, from where they are known to be.
func (s *Search) second(ctx context.Context, list []*Candidate) error {
	e := Effort{Probe: 2 * s.probe(), Longest: 3, Precision: 0.1, Step: 1.2}
	for i, c := range list {
		if i > 0 && s.elapsed > time.Duration(secondShare*float64(s.Budget)) {
			return nil
		}
		e.Start, e.Floor = cmp.Or(c.Rate(), s.best()), 0.7*s.best()
		if c == s.all[0] {
			e.Floor = 0
		}
		if _, err := s.measure(ctx, c, Second, e, i, len(list)); err != nil {
			return err
		}
	}
	return nil
}

// final measures in blocks, each of which has every finalist once, in an order of its own. The budget
// says when they end, never what they found: who stops when he likes what he sees finds differences
// that are not there.
func (s *Search) final(ctx context.Context, list []*Candidate, most int) error {
	rnd := rand.New(rand.NewPCG(s.Seed, 0x66696e616c))
	e := Effort{Probe: 2 * s.probe(), Longest: 3, Precision: 0.04, Step: 1.1}
	coarse := s.Exhaustive && most == 1
	if coarse {
		e = Effort{Probe: s.probe(), Longest: 3, Precision: 0.1, Step: 1.4}
	}
	for b := range most {
		began := s.elapsed
		for i, at := range rnd.Perm(len(list)) {
			c := list[at]
			if e.Start = c.Rate(); e.Start == 0 && !s.Exhaustive {
				e.Start = s.best()
			}
			e.Start *= 0.97 + 0.06*rnd.Float64() // else all would be judged at the same few rates
			if coarse {
				e.Start, e.Floor = hopeless*s.best(), hopeless*s.best()
			}
			if _, err := s.measure(ctx, c, Final, e, b*len(list)+i, 0); err != nil {
				return err
			}
		}
		spent := s.elapsed + (s.elapsed - began)
		if !s.Exhaustive && (spent > s.Budget*6/5 || b+1 >= leastBlocks && spent > s.Budget) {
			return nil
		}
	}
	return nil
}

// measure measures a candidate once and notes it. Its rates are those of its highest stage.
func (s *Search) measure(ctx context.Context, c *Candidate, stage Stage, e Effort, done, total int) (Measurement, error) {
	if err := context.Cause(ctx); err != nil {
		return Measurement{}, err
	}
	e.Seed = s.Seed*1000 + uint64(len(c.Runs))
	m, err := s.Measure(ctx, c.Setting, e)
	if err != nil {
		return m, err
	}
	s.elapsed += m.Took
	if stage > c.Stage {
		c.Stage, c.Rates = stage, nil
	}
	c.Runs, c.Rates = append(c.Runs, m), append(c.Rates, m.Rate)
	if s.Progress != nil {
		s.Progress(Step{Stage: stage, Candidate: c, Done: done + 1, Total: total, Elapsed: s.elapsed})
	}
	return m, nil
}

func (s *Search) tried() (n int) {
	for _, c := range s.all {
		if c.Stage > Untried {
			n++
		}
	}
	return n
}

// best is the highest rate that any holds.
func (s *Search) best() (rate float64) {
	for _, c := range s.all {
		rate = max(rate, c.Rate())
	}
	return rate
}

// leaders are the best n of those that came furthest, and auto.
func (s *Search) leaders(n int) []*Candidate {
	list := slices.DeleteFunc(slices.Clone(s.all), func(c *Candidate) bool { return c.Rate() == 0 })
	rank(list)
	if s.Alone {
		list = slices.DeleteFunc(list, func(c *Candidate) bool { return threaded(c.Setting) })
	}
	if list = list[:min(n, len(list))]; !s.Alone && !slices.Contains(list, s.all[0]) {
		list = append(list, s.all[0])
	}
	return list
}

// neighbours are untried settings one step from the two best: a budget that was too small for all
// is spent where it helps.
func (s *Search) neighbours(leaders []*Candidate) (list []*Candidate) {
	for _, c := range s.all {
		for _, l := range leaders[:min(2, len(leaders))] {
			if c.Stage == Untried && !slices.Contains(list, c) && len(list) < leastKept && near(c.Setting, l.Setting, s.Settings) {
				list = append(list, c)
			}
		}
	}
	return list
}

// preloaded is the best setting with preload; nil where one worker shares its memory with nobody.
func (s *Search) preloaded(leaders []*Candidate) *Candidate {
	if len(leaders) == 0 || leaders[0].Setting.Workers == 1 || leaders[0].Rate() == 0 {
		return nil
	}
	twin := &Candidate{Setting: leaders[0].Setting, Rates: slices.Clone(leaders[0].Rates)}
	twin.Setting.Preload = true
	s.all = append(s.all, twin)
	return twin
}

// block is what leastBlocks of n finalists take, as far as the second stage can tell.
func (s *Search) block(n int) time.Duration {
	var cost time.Duration
	runs := 0
	for _, c := range s.all {
		if c.Stage == Second && c.Rate() > 0 {
			cost += c.Runs[len(c.Runs)-1].Took
			runs++
		}
	}
	return cost / time.Duration(max(runs, 1)) * time.Duration(n*leastBlocks) * 6 / 5
}
