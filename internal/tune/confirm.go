package tune

import (
	"cmp"
	"context"
	"fmt"
	"net/url"
	"time"

	"girin/internal/bench"
	"girin/internal/lab"
	"girin/internal/neighbours"
)

// confirm tries the chosen setting at its rate once more, on a fresh server and for longer, and looks
// at what it uses up. Where it does not hold, the rate is made less.
func (s *servers) confirm(ctx context.Context, r *Result) error {
	if r.Answer == nil {
		return nil
	}
	s.say(fmt.Sprintf("\nonce more, for longer: %s at %s requests/s\n", r.Answer.Best.Setting, figure(r.Answer.Rate)))
	server, err := s.start(ctx, r.Answer.Best.Setting.Args(), false)
	if cause := context.Cause(ctx); cause != nil {
		return cause
	}
	if err != nil {
		r.Answer.unconfirmed(r, err.Error(), s.opts.Rate)
		return nil
	}
	defer server.Stop()
	use := &usage{server: server}
	o := s.load(server, s.opts.Seed+77)
	probe := (&Search{Budget: s.opts.Budget}).probe()
	o.Duration, o.Warmup, o.Progress = 2*probe, probe, use.note
	limited, cancel := context.WithTimeoutCause(ctx, s.patience(r.Answer.Best.Setting), errUnsteady)
	defer cancel()
	found, err := bench.FindRate(limited, bench.RateSearch{
		Options: o, SLO: s.slo, Start: r.Answer.Rate, Max: r.Answer.Rate, Step: 1.2, Precision: 0.05, Longest: 4, Learns: r.Answer.Best.Setting.Class == auto,
	})
	if cause := context.Cause(ctx); cause != nil {
		return cause
	}
	if err != nil {
		r.Answer.unconfirmed(r, err.Error(), s.opts.Rate)
		return nil
	}
	if found.Rate == 0 {
		r.Answer.unconfirmed(r, cmp.Or(found.Reason, "at no rate up to it"), s.opts.Rate)
		return nil
	}
	r.Answer.Rate, r.Answer.Verdict = found.Rate, found.Verdict
	r.Load = loadOf(found, use)
	r.Load.MemoryMiB, _ = server.Memory()
	r.Answer.finish(r, s.opts.Rate)
	return nil
}

// unconfirmed notes that the longer run did not hold what those before held.
func (a *Answer) unconfirmed(r *Result, why string, rate float64) {
	a.Verdict, a.Unconfirmed = bench.Fails, why
	a.finish(r, rate)
}

func loadOf(found *bench.RateFinding, use *usage) *Load {
	last := found.Probes[len(found.Probes)-1]
	l := &Load{
		Rate: last.Rate, ServerCPU: use.cores(), OthersCPU: use.others, P50MS: last.P50MS, P99MS: last.P99MS, Requests: last.Done, Failed: last.Failed,
		ClientCPU: last.Result.Client.CPUS / max(last.Result.DurationS, 0.001), ClientFull: last.Result.Client.CPUShare >= fullClient,
	}
	for _, t := range last.Result.Targets {
		if path, err := pathOf(t.URL); err == nil {
			l.Routes = append(l.Routes, RouteLoad{t.Method + " " + path, t.P99MS})
		}
	}
	return l
}

func pathOf(text string) (string, error) {
	u, err := url.Parse(text)
	if err != nil {
		return "", err
	}
	return u.RequestURI(), nil
}

// usage is the CPU time that a server uses during the last run of a load, and others beside it.
type usage struct {
	server      *lab.Server
	elapsed     time.Duration // of the run
	first, last time.Duration // CPU time
	from, to    time.Time
	neighbours  neighbours.Neighbours
	others      float64 // cores
}

// note is called now and then during runs; a new one begins where the time goes back.
func (u *usage) note(p bench.Progress) {
	now, at := u.server.CPU(), time.Now()
	if p.Elapsed <= u.elapsed || u.from.IsZero() {
		u.first, u.from, u.neighbours = now, at, neighbours.Watch()
	}
	u.elapsed, u.last, u.to, u.others = p.Elapsed, now, at, u.neighbours.Cores(now-u.first)
}

// cores is how many cores were busy.
func (u *usage) cores() float64 {
	if d := u.to.Sub(u.from).Seconds(); d > 0 {
		return (u.last - u.first).Seconds() / d
	}
	return 0
}
