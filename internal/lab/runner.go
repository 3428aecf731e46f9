package lab

import (
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"os"
	"strings"
	"time"
	"unicode/utf8"

	"girin/internal/lab/plan"
	"girin/internal/lab/result"
	"girin/internal/proc"
	"girin/internal/verdict"
)

// Options says what to run and where to put it.
type Options struct {
	Dir     string   // results folder; must not exist unless Resume
	Source  []byte   // the plan's text
	File    string   // its name, for errors
	Girin   string   // this program, which serves, loads and plays the upstream
	Version string   // its version, for the record
	Environ []string // environment of servers, before the plan's additions
	// Resume continues Dir: the visits that it has are not repeated.
	Resume bool
	// Progress is told of each step. It is called from one goroutine.
	Progress func(Progress)
}

// Progress is where a run stands.
type Progress struct {
	Visit         plan.Visit
	Done, Total   int           // visits
	Blocks        int           // of the plan
	Left          time.Duration // an estimate; 0 before there is one
	Skipped       []result.Skip // set in the first report only
	Forecast      *Forecast     // set in the first report, and when runs have shown more
	JustFinished  []result.Run  // set when a visit has ended
	ScenarioBegun string        // set when one begins
}

// Run runs a plan. It returns the folder together with ctx's error if it was stopped: what
// was measured until then is in the folder.
func Run(ctx context.Context, o Options) (*result.Folder, error) {
	p, err := plan.Parse(o.File, o.Source, UsableCores())
	if err != nil {
		return nil, err
	}
	shop, err := newWorkshop(ctx, p, o.Girin, o.Environ)
	if err != nil {
		return nil, err
	}
	defer shop.close()
	starter := proc.NewStarter()
	defer starter.Close()
	upstream, err := startUpstream(p, shop, starter)
	if err != nil {
		return nil, err
	}
	defer upstream.stop()

	machine := DescribeMachine()
	machine.Lab = o.Version
	tryPriority(&machine)
	settings := shop.inspect(ctx, p, p.Expand(UsableCores()), &machine)
	if len(settings) == 0 {
		return nil, fmt.Errorf("nothing to run: %s: %s", machine.Skipped[0].What, machine.Skipped[0].Why)
	}
	shop.describePython(ctx, &machine)
	forecaster := forecaster{p, settings}
	forecast := forecaster.before()
	machine.Planned, machine.Repeats = forecast.Starts, forecast.Repeats
	folder, err := openFolder(o, machine)
	if err != nil {
		return nil, err
	}
	r := &runner{plan: p, shop: shop, starter: starter, folder: folder, progress: o.Progress, forecaster: forecaster, forecast: forecast}
	err = r.visitAll(ctx)
	return folder, errors.Join(err, folder.SaveCSV())
}

// openFolder creates the results folder, or opens one that is to be continued.
func openFolder(o Options, m result.Machine) (*result.Folder, error) {
	if !o.Resume {
		return result.Create(o.Dir, o.Source, m)
	}
	f, err := result.Open(o.Dir)
	if err != nil {
		return nil, err
	}
	return f, f.Repair()
}

type runner struct {
	plan     *plan.Plan
	shop     *workshop
	starter  *proc.Starter
	folder   *result.Folder
	progress func(Progress)

	forecaster forecaster
	forecast   Forecast
	measured   int           // visits of this process
	took       time.Duration // for them
}

// visitAll makes the visits of each block. How many blocks there are is known for good once
// the last has ended.
func (r *runner) visitAll(ctx context.Context) error {
	if err := os.MkdirAll(r.folder.Path("logs"), 0o777); err != nil {
		return err
	}
	done := r.folder.Done()
	first := r.forecast
	r.report(Progress{Skipped: r.folder.Machine.Skipped, Forecast: &first})
	order := 0
	for block := 1; block <= r.forecast.Repeats; block++ {
		for _, v := range r.forecaster.visits(block) {
			order++
			if done[v.Key()] {
				continue
			}
			if err := r.measure(ctx, v, order); err != nil {
				return err
			}
		}
		if err := r.lookAgain(block); err != nil {
			return err
		}
	}
	return nil
}

// measure makes one visit and puts it into the folder.
func (r *runner) measure(ctx context.Context, v plan.Visit, order int) error {
	started := time.Now()
	runs, err := r.visit(ctx, v, order, func(scenario string) {
		r.report(Progress{Visit: v, Done: order - 1, ScenarioBegun: scenario})
	})
	if err != nil {
		return err
	}
	if err := r.folder.Append(runs); err != nil {
		return err
	}
	r.measured++
	r.took += time.Since(started)
	r.report(Progress{Visit: v, Done: order, JustFinished: runs})
	return nil
}

func (r *runner) report(p Progress) {
	p.Total, p.Blocks = r.forecast.Starts, r.forecast.Repeats
	if r.measured > 0 {
		p.Left = r.took / time.Duration(r.measured) * time.Duration(p.Total-p.Done)
	}
	r.progress(p)
}

// lookAgain forecasts anew from what the blocks so far have shown.
func (r *runner) lookAgain(blocks int) error {
	if blocks < verdict.MinRuns {
		return nil
	}
	next := r.forecaster.after(r.folder, blocks)
	if next.Spread.SD == 0 {
		return nil // nothing valid was measured
	}
	changed := next.Repeats != r.forecast.Repeats
	first := !r.forecast.Measured
	r.forecast = next
	if changed || first {
		r.report(Progress{Done: blocks * next.Starts / next.Repeats, Forecast: &next})
	}
	m := &r.folder.Machine
	if m.Planned, m.Repeats = next.Starts, next.Repeats; changed {
		return r.folder.SaveMachine()
	}
	return nil
}

// visit starts a server, runs the visit's scenarios and stops it. An error means that the
// whole run ends; what goes wrong with the server is in the runs.
func (r *runner) visit(ctx context.Context, v plan.Visit, order int, begun func(string)) ([]result.Run, error) {
	begun(v.Scenarios[0].Name)
	defer shorten(r.logPath(v))
	server, err := r.start(ctx, v)
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	if err != nil {
		return failedRuns(v, order, v.Scenarios, "did not start: "+err.Error()), nil
	}
	defer server.Stop()
	var all []result.Run
	for i, sc := range v.Scenarios {
		begun(sc.Name)
		runs, err := r.scenario(ctx, server, v, order, sc)
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		var fault serverFault
		if errors.As(err, &fault) {
			return append(all, failedRuns(v, order, v.Scenarios[i:], err.Error())...), nil
		} else if err != nil {
			return nil, err
		}
		all = append(all, runs...)
	}
	return all, nil
}

// start starts the visit's server, with its output in logs/.
func (r *runner) start(ctx context.Context, v plan.Visit) (*Server, error) {
	port, err := FreePort()
	if err != nil {
		return nil, err
	}
	log, err := os.Create(r.logPath(v))
	if err != nil {
		return nil, err
	}
	defer log.Close()
	argv := r.shop.command(v.Setting, r.plan.SubjectOf(v.Setting), port)
	return StartServer(ctx, r.starter, proc.Spec{
		Path: argv[0], Args: argv[1:], Dir: r.shop.appDir, Env: r.shop.serverEnv(v.Setting), Out: log, Err: log,
	}, Readiness{Port: port})
}

func (r *runner) logPath(v plan.Visit) string {
	return r.folder.Path("logs", fileName(v.Key())+".log")
}

// longestName leaves room for what is added to a file's name: file systems allow 255 bytes.
const longestName = 200

// fileName replaces what does not belong in one, and cuts what is too long: a number tells those apart then.
func fileName(key string) string {
	name := strings.Map(func(c rune) rune {
		if strings.ContainsRune(`/\ :()*?"<>|`, c) {
			return '_'
		}
		return c
	}, key)
	if len(name) <= longestName {
		return name
	}
	end := longestName
	for !utf8.RuneStart(name[end]) {
		end--
	}
	return fmt.Sprintf("%s-%08x", name[:end], crc32.ChecksumIEEE([]byte(key)))
}

// scenario probes, warms up and runs the phases of one scenario.
func (r *runner) scenario(ctx context.Context, s *Server, v plan.Visit, order int, sc plan.Scenario) ([]result.Run, error) {
	bodies := map[string]string{} // by stream
	for _, phase := range sc.Phases {
		for _, stream := range phase.Streams {
			a, err := s.probe(ctx, stream.Endpoint)
			if err != nil {
				return nil, err
			}
			bodies[stream.Name] = a.body
		}
	}
	if err := r.warmUp(ctx, s); err != nil {
		return nil, err
	}
	var all []result.Run
	for _, phase := range sc.Phases {
		cpu := s.CPU()
		loads, err := runLoads(ctx, r.shop.girin, s.url, phase)
		if err != nil {
			return nil, err
		}
		used := s.CPU() - cpu
		memory, processes := s.Memory()
		for _, l := range loads {
			run := newRun(v, order, sc, phase, l.stream)
			fill(&run, l, phase)
			run.ServerCPUS, run.MemoryMiB, run.Processes = used.Seconds(), memory, processes
			if l.stream.Body == "same" {
				run.Body = bodies[l.stream.Name]
			}
			if s.Ended() {
				run.Invalid = errServerEnded.Error()
			}
			all = append(all, run)
		}
	}
	return all, nil
}

// warmUp sends the plan's warm-up load and discards what comes of it.
func (r *runner) warmUp(ctx context.Context, s *Server) error {
	w := r.plan.Warmup
	stream := plan.Stream{Endpoint: plan.Endpoint{Path: w.Path}, Load: plan.Load{Requests: w.Requests, Clients: w.Clients}}
	_, err := runLoads(ctx, r.shop.girin, s.url, plan.Phase{Streams: []plan.Stream{stream}})
	return err
}

// failedRuns records that scenarios could not be run.
func failedRuns(v plan.Visit, order int, scenarios []plan.Scenario, why string) []result.Run {
	var all []result.Run
	for _, sc := range scenarios {
		for _, phase := range sc.Phases {
			for _, stream := range phase.Streams {
				run := newRun(v, order, sc, phase, stream)
				run.Invalid = why
				all = append(all, run)
			}
		}
	}
	return all
}
