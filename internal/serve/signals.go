package serve

import (
	"context"
	"errors"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"

	"girin/internal/guard"
)

// signals turns the signals of a server into what they ask for: gunicorn's.
//
//	TERM       finish what runs, then end
//	INT, QUIT  end at once
//	           a second signal to end ends the server within a second, whatever hangs
//	HUP        reload
//	TTIN TTOU  one worker more, one fewer; under auto the load decides
//	USR1       reopen the logs
//	USR2       start another server beside this one, on the same sockets (upgrade.go)
//
// Its goroutine never waits: what may last runs beside it. Until the server serves
// the signals that do not end it wait.
type signals struct {
	came    chan os.Signal
	serving chan struct{}  // closed when the server serves
	running sync.WaitGroup // what runs beside
	reload  *chore
	reopen  *chore
	resize  *chore
	upgrade *chore

	first time.Time      // of watch: when the last signal to end came; zero: none has
	last  syscall.Signal // of watch: which
}

// watchSignals begins to take signals.
func (s *server) watchSignals() (stop func(), err error) {
	g := &signals{came: s.came, serving: make(chan struct{})}
	s.signals = g
	g.reload, g.reopen, g.resize, g.upgrade = newChore(s.reload), newChore(s.reopenLogs), newChore(s.resize), newChore(s.upgrade)
	signal.Notify(g.came, syscall.SIGTERM, syscall.SIGINT, syscall.SIGQUIT)
	signal.Ignore(syscall.SIGPIPE)
	stopped := make(chan struct{})
	for _, part := range []guard.Part{
		{Name: "the signals", Run: func() { g.watch(s, stopped) }},
		{Name: "reloads", Run: func() { g.reload.run(s.ending.begun) }},
		{Name: "opening the logs again", Run: func() { g.reopen.run(s.ending.quick) }},
		{Name: "starting another server (USR2)", Run: func() { g.upgrade.run(s.ending.begun) }},
		{Name: "how many workers a hook wants", Run: func() { g.resize.run(s.ending.begun) }},
	} {
		g.beside(func() { s.guard.Keep(part) })
	}
	return func() {
		// They are still taken: one that comes now must not end the process
		// before it has removed what it has made.
		close(stopped)
		s.ending.hasten()
		g.running.Wait()
	}, nil
}

// waitingSignals is how many signals may wait for the server to serve.
const waitingSignals = 16

// notEnding are the signals that do not end a server.
var notEnding = []os.Signal{syscall.SIGHUP, syscall.SIGTTIN, syscall.SIGTTOU, syscall.SIGUSR1, syscall.SIGUSR2}

func (g *signals) beside(run func()) { g.running.Go(run) }

func (g *signals) isServing() bool {
	select {
	case <-g.serving:
		return true
	default:
		return false
	}
}

func (g *signals) watch(s *server, stopped <-chan struct{}) {
	var early []os.Signal
	for serving := g.serving; ; {
		select {
		case <-stopped:
			return
		case <-serving:
			serving = nil
			for _, sig := range early {
				g.handle(s, sig)
			}
		case sig := <-g.came:
			s.log.Infof("Handling signal: %s", signalNames[sig])
			if serving == nil || ends(sig) {
				g.handle(s, sig)
			} else if len(early) < waitingSignals {
				early = append(early, sig)
			}
		}
	}
}

func ends(sig os.Signal) bool {
	return sig == syscall.SIGTERM || sig == syscall.SIGINT || sig == syscall.SIGQUIT
}

func (g *signals) handle(s *server, sig os.Signal) {
	switch sig {
	case syscall.SIGTERM, syscall.SIGINT, syscall.SIGQUIT:
		s.tellEnd()
		g.endBy(s, sig.(syscall.Signal))
	case syscall.SIGHUP:
		g.reload.ask()
	case syscall.SIGTTIN:
		s.scale(1)
	case syscall.SIGTTOU:
		s.scale(-1)
	case syscall.SIGUSR1:
		g.reopen.ask()
	case syscall.SIGUSR2:
		g.upgrade.ask()
	}
}

var signalNames = map[os.Signal]string{
	syscall.SIGTERM: "term", syscall.SIGINT: "int", syscall.SIGQUIT: "quit", syscall.SIGHUP: "hup",
	syscall.SIGTTIN: "ttin", syscall.SIGTTOU: "ttou", syscall.SIGUSR1: "usr1",
	syscall.SIGUSR2: "usr2",
}

func (s *server) reopenLogs(ctx context.Context) {
	if err := errors.Join(s.log.Reopen(), s.access.Reopen()); err != nil {
		s.log.Errorf("%v", err)
	}
	if s.configured.Load() { // Python's handlers are the arbiter's and the workers'
		if err := s.arbiter.Reopen(ctx); err != nil {
			s.log.Errorf("the files of Python's log handlers: %v", err)
		}
		s.workers.Signal(syscall.SIGUSR1)
	}
}
