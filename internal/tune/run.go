package tune

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"girin/internal/bench"
	"girin/internal/lab"
	"girin/internal/neighbours"
	"girin/internal/tune/workload"
)

// Options says what to tune.
type Options struct {
	App        string // empty: the configuration file's, or else Found
	Found      string
	Girin      string // this program, which serves
	Python     string
	Dir        string // where the application is imported
	Config     string // a configuration file whose other settings hold; empty: none
	Env        []string
	SLO        string
	Budget     time.Duration
	Rate       float64 // that is to be served; 0: none is named
	Seed       uint64
	Cores      int // that servers may use
	Exhaustive bool
	Blocks     int       // of an exhaustive search, 0: the usual three
	Only       []Setting // to choose from, beside auto; empty: all that there are
	Version    string
	// Load makes the load once the application is known.
	Load func(context.Context, *workload.Application) (*workload.Workload, error)
	// Say is told of each step, from one goroutine.
	Say func(line string)

	asgi bool
}

// LeastBudget is the least with which anything can be told.
const LeastBudget = 15 * time.Second

// Result is everything that is known in the end; its JSON form is result.json.
type Result struct {
	Version    int                `json:"version"`
	Girin      string             `json:"girin"`
	App        string             `json:"app"`
	Framework  string             `json:"framework,omitempty"`
	ASGI       bool               `json:"asgi"`
	Config     string             `json:"config,omitempty"`
	SLO        string             `json:"slo"`
	LimitMS    float64            `json:"limit_ms,omitempty"` // the SLO's highest limit of latency
	Budget     time.Duration      `json:"budget_ns"`
	Took       time.Duration      `json:"took_ns"`
	Seed       uint64             `json:"seed"`
	Cores      int                `json:"cores"`
	CPU        string             `json:"cpu"`
	System     string             `json:"system"`
	Started    time.Time          `json:"started"`
	Stopped    string             `json:"stopped,omitempty"` // why it ended before its time
	Possible   int                `json:"possible"`          // settings that there are
	Workload   *workload.Workload `json:"workload"`
	Routes     []Route            `json:"routes"`
	Alone      string             `json:"alone,omitempty"` // why threads are not safe
	Candidates []*Candidate       `json:"candidates"`
	Load       *Load              `json:"load,omitempty"`
	OthersCPU  float64            `json:"others_cpu,omitempty"` // cores that other programs used meanwhile
	Answer     *Answer            `json:"answer,omitempty"`     // nil: no setting holds the SLO
	Nothing    string             `json:"nothing,omitempty"`    // why there is no answer
}

// Tried is how many settings were measured, with preload or without.
func (r *Result) Tried() int {
	distinct := map[Setting]bool{}
	for _, c := range r.Candidates {
		s := c.Setting
		s.Preload = false
		distinct[s] = true
	}
	return len(distinct)
}

// bestFixed is the best setting that is not auto; nil if none holds anything.
func (r *Result) bestFixed() *Candidate {
	for _, c := range r.Candidates {
		if c.Setting.Class != auto && c.Rate() > 0 && (r.Alone == "" || !threaded(c.Setting)) {
			return c
		}
	}
	return nil
}

// Run tunes. The result is nil only if there is nothing to tell; with an error it is what is known.
func Run(ctx context.Context, o Options) (*Result, error) {
	slo, err := bench.ParseSLO(o.SLO)
	if err != nil {
		return nil, err
	}
	machine := lab.DescribeMachine()
	r := &Result{
		Version: 1, Girin: o.Version, App: o.App, Config: o.Config, SLO: o.SLO, Budget: o.Budget, Seed: o.Seed, Started: time.Now(),
		Cores: o.Cores, CPU: machine.CPU, System: machine.System, LimitMS: ms(slo.HighestLimit()),
	}
	s, err := newServers(o, slo)
	if err != nil {
		return nil, err
	}
	defer s.close()
	watch := neighbours.Watch()
	err = s.run(ctx, r, watch)
	r.Took, r.OthersCPU = time.Since(r.Started), watch.Cores(0)
	if errors.Is(err, context.Canceled) && len(r.Candidates) > 0 {
		r.Stopped = "it was stopped"
		s.answer(r)
		return r, err
	}
	if err != nil {
		return nil, err
	}
	return r, nil
}

// Shares of the budget.
const (
	profileShare = 0.1
	confirmShare = 0.07
)

// run fills the result in.
func (s *servers) run(ctx context.Context, r *Result, watch neighbours.Neighbours) error {
	app, err := s.prepare(ctx)
	if err != nil {
		return err
	}
	if others := watch.Cores(0); neighbours.Crowd(others, r.Cores) {
		s.say(fmt.Sprintf("other programs use %.1f of %d cores: what is found is what they leave\n", others, r.Cores))
	}
	r.App, r.ASGI, r.Framework = app.Spec, app.ASGI, app.Framework
	r.Workload = s.work
	if err := s.look(ctx, r); err != nil {
		return err
	}
	for _, route := range r.Routes {
		if route.Threads != "" {
			r.Alone = route.Name + ": " + route.Threads
		}
	}
	s.say(sayRoutes(r))
	if r.Nothing != "" {
		return nil
	}
	if err := s.search(ctx, r, app); err != nil {
		return err
	}
	s.answer(r)
	return s.confirm(ctx, r)
}

// look asks each request alone: whether it succeeds, and what it is like.
func (s *servers) look(ctx context.Context, r *Result) error {
	alone, err := s.startAlone(ctx)
	if err != nil {
		return err
	}
	s.lookEnds = time.Now().Add(max(time.Duration(lookShare*float64(s.opts.Budget)), leastLook))
	alone, err = s.sift(ctx, alone, s.startAlone)
	if alone != nil {
		defer alone.Stop()
	}
	if err != nil {
		return err
	}
	s.say(sayWorkload(s.work))
	each := time.Duration(profileShare * float64(s.opts.Budget) / float64(3*min(len(s.work.Requests), mostProfiled)))
	var hopeless string
	r.Routes, hopeless, err = s.profile(ctx, alone, min(max(each, 100*time.Millisecond), 500*time.Millisecond))
	if hopeless != "" {
		r.Nothing = fmt.Sprintf("No setting can hold %s at any rate: %s.", r.SLO, hopeless)
	}
	return err
}

// search looks through the settings.
func (s *servers) search(ctx context.Context, r *Result, app *workload.Application) error {
	missing := map[string]string{}
	if !app.Gevent {
		missing["gevent"] = "gevent is not installed"
	}
	all := Settings(r.Cores, App{ASGI: app.ASGI, Missing: missing, Alone: r.Alone})
	if len(s.opts.Only) > 0 {
		all = only(s.opts.Only, all[0])
	}
	r.Possible = len(all)
	left := time.Duration((1-confirmShare)*float64(s.opts.Budget)) - time.Since(r.Started)
	s.say(fmt.Sprintf("\n%d settings to choose from, %s left%s\n", len(all), max(left, 0).Round(time.Second), s.slowStart()))
	search := Search{
		Settings: all, Cores: r.Cores, Measure: s.measure, Budget: left, Seed: s.opts.Seed, Exhaustive: s.opts.Exhaustive, Blocks: s.opts.Blocks, Alone: r.Alone != "",
		Progress: func(p Step) { s.say(p.line()) },
	}
	found, err := search.Run(ctx)
	r.Candidates = found
	return err
}

// only are the settings that are wanted, behind auto.
func only(wanted []Setting, first Setting) []Setting {
	all := []Setting{first}
	for _, s := range wanted {
		if !slices.Contains(all, s) {
			all = append(all, s)
		}
	}
	return all
}

// slowStart warns where starting takes what measuring should.
func (s *servers) slowStart() string {
	if s.imported < slowImport {
		return ""
	}
	return fmt.Sprintf("; an import of the application takes %.0f s, and each measurement begins with one", s.imported.Seconds())
}

const slowImport = 3 * time.Second

// answer draws the conclusions.
func (s *servers) answer(r *Result) {
	if r.Answer = choose(r.Candidates, r.Alone); r.Answer == nil {
		r.Nothing = r.nothing()
		return
	}
	r.Answer.finish(r, s.opts.Rate)
}

// finish writes what depends on the rate.
func (a *Answer) finish(r *Result, rate float64) {
	a.say(r)
	a.Limit = limit(r, a)
	if rate == 0 && r.Workload.Log != nil {
		rate = r.Workload.Log.Peak
	}
	a.machines(rate, r.Cores)
}

// nothing says why no setting holds the SLO.
func (r *Result) nothing() string {
	why := ""
	for _, c := range r.Candidates {
		for _, m := range c.Runs {
			if m.TooSlow {
				return fmt.Sprintf("No setting can hold %s: %s.", r.SLO, m.Reason)
			}
			if why = m.Reason; why != "" && len(m.Points) > 0 {
				if slowest := m.Points[len(m.Points)-1].Slowest; slowest != "" {
					why += "; the slowest was " + slowest
				}
			}
		}
	}
	if why == "" {
		return fmt.Sprintf("No setting holds %s at any rate that was tried.", r.SLO)
	}
	return fmt.Sprintf("No setting holds %s at any rate that was tried; the last one: %s.", r.SLO, why)
}

func (s *servers) say(line string) {
	if s.opts.Say != nil {
		s.opts.Say(line)
	}
}

func ms(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
