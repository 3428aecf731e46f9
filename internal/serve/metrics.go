package serve

import (
	"errors"
	"fmt"
	"net/http"
	"time"

	"girin/internal/config"
	"girin/internal/front"
	"girin/internal/metrics"
	"girin/internal/metrics/scrape"
	"girin/internal/program"
	"girin/internal/sched"
	"girin/internal/worker"
)

// listenMetrics opens the listener of --metrics, while the server may bind
// what only root can.
func (s *server) listenMetrics() error {
	if s.cfg.Metrics == "" {
		return nil
	}
	a, err := config.ParseAddress(s.cfg.Metrics)
	if err == nil {
		s.scrapes, err = s.takeOverMetrics(a)
	}
	if err == nil && s.scrapes == nil {
		s.scrapes, err = front.Listen(a.Network, a.Addr, a.FD, front.ListenOptions{Backlog: scrapeBacklog, Umask: s.cfg.Umask})
	}
	if err != nil {
		return fmt.Errorf("metrics %s: %w", s.cfg.Metrics, err)
	}
	s.metrics = new(metrics.Server)
	return nil
}

const (
	scrapeBacklog = 16
	scrapeLimit   = 10 * time.Second // for a whole scrape
)

// serveMetrics answers scrapes until stop is called.
func (s *server) serveMetrics() (stop func(), err error) {
	if s.scrapes == nil {
		return func() {}, nil
	}
	s.log.Infof("Metrics at: %s/metrics", urlOf(s.scrapes, false))
	scrapes := scrape.Handler(scrape.Config{Version: program.Version(), Server: s.metrics, Gauges: s.gauges, Routes: s.queue.Sums})
	web := &http.Server{
		Handler:     s.withJobsPage(scrapes),
		ReadTimeout: scrapeLimit, WriteTimeout: scrapeLimit, IdleTimeout: time.Minute, MaxHeaderBytes: 8 << 10,
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := web.Serve(s.scrapes); !errors.Is(err, http.ErrServerClosed) {
			s.log.Errorf("metrics: %v", err)
		}
	}()
	return func() { web.Close(); <-done }, nil
}

func (s *server) gauges() scrape.Gauges {
	status := s.queue.Status()
	held := s.front.Held()
	g := scrape.Gauges{
		Class: s.class(), InFlight: status.InFlight, Slots: status.Capacity, Connections: s.front.Conns(), Computing: status.Computing, Arena: int(status.Arena),
		Sockets: status.Sockets, Spools: status.Spools, SpoolFiles: int(held.SpoolFiles), SpoolBytes: int(held.SpoolBytes), Answers: int(held.Answers),
	}
	for _, one := range s.sidecars.Status() {
		g.Sidecars = append(g.Sidecars, scrape.Sidecar{Name: one.Name, Up: one.PID != 0, Starts: one.Starts})
	}
	if s.work != nil {
		g.Jobs = jobsGauges(s.work.node)
	}
	for _, w := range status.Workers {
		g.Workers++
		g.Running += len(w.Running)
		g.Tasks += w.Tasks
		g.Lag = max(g.Lag, w.Lag)
		switch w.Lane {
		case sched.Draining:
			g.Draining++
		case sched.StandingBy:
			g.StandingBy++
		default:
			g.Serving++
		}
	}
	return g
}

// countEnd counts how a worker ended.
func (s *server) countEnd(w *worker.Worker) {
	switch p := w.Process(); {
	case p.Signalled() != 0:
		s.metrics.Ended(metrics.Killed)
	case p.ExitCode() != 0:
		s.metrics.Ended(metrics.Failed)
	default:
		s.metrics.Ended(metrics.Finished)
	}
}
