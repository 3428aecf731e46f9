package tune

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"girin/internal/bench"
	"girin/internal/lab"
	"girin/internal/proc"
	"girin/internal/tune/workload"
)

// servers starts servers under test, one at a time, and loads them.
type servers struct {
	opts     Options
	starter  *proc.Starter
	dir      string // configuration files, logs and control sockets; close removes it
	work     *workload.Workload
	slo      bench.SLOSpec
	started  int
	asked    map[string]*bench.Result // what became of asking each request once, by its name
	lookEnds time.Time                // looking at requests alone and in threads does
	// imported is how long an import of the application took.
	imported time.Duration
}

func newServers(o Options, slo bench.SLOSpec) (*servers, error) {
	dir, err := os.MkdirTemp("", "girin-tune-")
	if err != nil {
		return nil, err
	}
	return &servers{opts: o, slo: slo, dir: dir, starter: proc.NewStarter()}, nil
}

func (s *servers) close() {
	s.starter.Close()
	os.RemoveAll(s.dir)
}

// environment is the user's own without what would change a server's settings behind its back.
func (s *servers) environment() []string {
	dropped := []string{"GUNICORN_CMD_ARGS", "GIRIN_CMD_ARGS", "WEB_CONCURRENCY", "PORT", "GIRIN_RUNTIME_DIR", "NOTIFY_SOCKET", "LISTEN_FDS", "LISTEN_PID"}
	env := slices.DeleteFunc(slices.Clone(s.opts.Env), func(e string) bool {
		name, _, _ := strings.Cut(e, "=")
		return slices.Contains(dropped, name)
	})
	return append(env, "GIRIN_RUNTIME_DIR="+filepath.Join(s.dir, "run"))
}

// place is where the application is imported.
func (s *servers) place() workload.Place {
	return workload.Place{Python: s.opts.Python, Dir: s.opts.Dir, Env: s.environment(), Config: s.opts.Config, Found: s.opts.Found}
}

// portTries is how often a server is started anew because somebody has taken the port that was free.
const portTries = 3

// start starts a fresh server with options of the command line. judged says that the configuration
// file's own choice of them holds.
func (s *servers) start(ctx context.Context, options []string, judged bool) (server *lab.Server, err error) {
	for range portTries {
		if server, err = s.startOnce(ctx, options, judged); err == nil || !strings.Contains(strings.ToLower(err.Error()), "address already in use") {
			return server, err
		}
	}
	return server, err
}

func (s *servers) startOnce(ctx context.Context, options []string, judged bool) (*lab.Server, error) {
	port, err := lab.FreePort()
	if err != nil {
		return nil, err
	}
	s.started++
	_ = os.Remove(s.logPath(s.started - logsKept)) // an application may log each request of a load
	conf := filepath.Join(s.dir, fmt.Sprintf("%d.conf.py", s.started))
	if err := os.WriteFile(conf, []byte(wrapped(s.opts.Config, judged)), 0o600); err != nil {
		return nil, err
	}
	log, err := os.Create(s.logPath(s.started))
	if err != nil {
		return nil, err
	}
	defer log.Close()
	args := append([]string{"-c", conf, "-b", "127.0.0.1:" + port, "--python", s.opts.Python, "--chdir", s.opts.Dir}, options...)
	return lab.StartServer(ctx, s.starter, proc.Spec{
		Path: s.opts.Girin, Args: append(args, s.opts.App), Dir: s.opts.Dir, Env: s.environment(), Out: log, Err: log,
	}, lab.Readiness{Port: port, Path: readyPath, Ready: true, Limit: s.startLimit()})
}

// logsKept is more than there are servers at a time.
const logsKept = 5

func (s *servers) logPath(number int) string {
	return filepath.Join(s.dir, fmt.Sprintf("%d.log", number))
}

// startLimit is how long a server may take to be ready: its workers may import one after the other.
func (s *servers) startLimit() time.Duration {
	return min(leastStart+5*s.imported, longestStart)
}

const (
	leastStart   = 30 * time.Second
	longestStart = 10 * time.Minute
)

// load are the options of a load on a server.
func (s *servers) load(server *lab.Server, seed uint64) bench.Options {
	return bench.Options{Targets: s.work.Targets(server.URL()), Poisson: true, Seed: seed}
}

// measure is Search.Measure on real servers.
func (s *servers) measure(ctx context.Context, setting Setting, e Effort) (Measurement, error) {
	began := time.Now()
	m, err := s.try(ctx, setting, e)
	if cause := context.Cause(ctx); cause != nil {
		return m, cause
	}
	m.Took = time.Since(began)
	return m, err
}

// try starts a server and looks for its highest rate. What goes wrong with the server is in the
// measurement.
func (s *servers) try(ctx context.Context, setting Setting, e Effort) (Measurement, error) {
	server, err := s.start(ctx, setting.Args(), false)
	if err != nil {
		return Measurement{Broken: true, Reason: "it did not start: " + err.Error()}, nil
	}
	defer server.Stop()
	ctx, cancel := context.WithTimeoutCause(ctx, s.patience(setting), errUnsteady)
	defer cancel()
	found, err := bench.FindRate(ctx, s.searchOn(server, setting, e))
	if err != nil {
		return Measurement{Reason: err.Error() + server.Said()}, nil
	}
	m := measured(found)
	m.MemoryMiB, _ = server.Memory()
	if server.Ended() {
		m = Measurement{Broken: true, Reason: "the server ended under load" + server.Said()}
	}
	return m, nil
}

// patience is how long one measurement may take at most.
func (s *servers) patience(setting Setting) time.Duration {
	p := max(s.opts.Budget/6, leastPatience)
	if s.opts.Exhaustive { // no budget ends it
		p = max(p, 3*leastPatience)
	}
	if setting.Class == auto {
		p += leastPatience // it learns meanwhile
	}
	return p
}

const leastPatience = 8 * time.Second

// errUnsteady is why a measurement that takes too long ends: a server that dies and comes again, mostly.
var errUnsteady = errors.New("no rate was found in time: it is not steady")

// searchOn is the search for a server's highest rate.
func (s *servers) searchOn(server *lab.Server, setting Setting, e Effort) bench.RateSearch {
	o := s.load(server, e.Seed)
	o.Duration, o.Warmup = e.Probe, e.Probe/2
	return bench.RateSearch{
		Options: o, SLO: s.slo, Start: e.Start, Floor: max(e.Floor, leastRate), Step: e.Step, Precision: e.Precision, Longest: e.Longest, Once: true,
		Learns: setting.Class == auto,
	}
}

// leastRate is a rate at which a setting is of no use to anybody.
const leastRate = 0.2

func measured(found *bench.RateFinding) Measurement {
	m := Measurement{Rate: found.Rate, FailsAt: found.FailsAt, Reason: found.Reason, AtLeast: found.Stopped && found.FailsAt == 0}
	for _, p := range found.Probes {
		m.Points = append(m.Points, point(p))
		m.Client = m.Client || p.Result.Client.Bottleneck && !p.Held
		if p.Held {
			m.ClientCPU = p.Result.Client.CPUShare
		}
	}
	m.TooSlow = found.TooSlow && found.Rate == 0
	if found.Rate > 0 {
		m.Reason = ""
	} else if n := len(found.Probes); m.Reason == "" && n > 0 {
		m.Reason = found.Probes[n-1].Reason
	}
	return m
}

func point(p bench.RateProbe) Point {
	out := Point{Rate: p.Rate, P50MS: p.P50MS, P99MS: p.P99MS, Held: p.Held, Sure: p.Verdict != bench.Undecided}
	if p.Done > 0 {
		out.Failed = float64(p.Failed) / float64(p.Done)
	}
	if targets := p.Result.Targets; len(targets) > 1 {
		out.Slowest = slowest(targets)
	}
	return out
}

// slowest names the request that failed most often, or else had the longest p99.
func slowest(targets []bench.TargetCount) string {
	most := slices.MaxFunc(targets, func(a, b bench.TargetCount) int {
		return cmp.Or(cmp.Compare(a.Failed, b.Failed), cmp.Compare(a.P99MS, b.P99MS))
	})
	path, err := pathOf(most.URL)
	if err != nil {
		return ""
	}
	if most.Failed > 0 {
		return fmt.Sprintf("%s %s, of which %d of %d failed", most.Method, path, most.Failed, most.OK+most.Failed)
	}
	return fmt.Sprintf("%s %s, with a p99 of its own of %s", most.Method, path, Millis(most.P99MS))
}

// prepare imports the application, notes what that shows, and makes the load.
func (s *servers) prepare(ctx context.Context) (*workload.Application, error) {
	app, err := workload.Import(ctx, s.opts.App, s.place())
	if err != nil {
		return nil, cmp.Or(context.Cause(ctx), err)
	}
	s.opts.App, s.opts.asgi, s.imported = app.Spec, app.ASGI, app.Took
	s.work, err = s.opts.Load(ctx, app)
	return app, err
}
