package serve

import (
	"context"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"
)

// signals turns the signals of a server into what they ask for: gunicorn's.
//
//	TERM       finish what runs, then end
//	INT, QUIT  end at once; so does any second signal to end
//	HUP        reload
//	TTIN TTOU  one worker more, one fewer; under auto the load decides
//	USR1       reopen the logs
//	USR2       gunicorn would start a new binary; here it is only told
type signals struct {
	quick  context.Context // ends when the workers must stop
	cancel context.CancelFunc
	came   chan os.Signal
	done   sync.WaitGroup
}

func watchSignals(s *server) *signals {
	g := &signals{came: make(chan os.Signal, 16)}
	g.quick, g.cancel = context.WithCancel(context.Background())
	signal.Notify(g.came, syscall.SIGTERM, syscall.SIGINT, syscall.SIGQUIT, syscall.SIGHUP,
		syscall.SIGTTIN, syscall.SIGTTOU, syscall.SIGUSR1, syscall.SIGUSR2)
	signal.Ignore(syscall.SIGPIPE)
	g.done.Add(1)
	go func() {
		defer g.done.Done()
		g.watch(s)
	}()
	return g
}

func (g *signals) watch(s *server) {
	var ending time.Time
	for sig := range g.came {
		s.log.Infof("Handling signal: %s", signalNames[sig])
		s.tellManager(sig)
		switch sig {
		case syscall.SIGTERM:
			switch {
			case ending.IsZero():
				ending = time.Now()
				g.done.Add(1)
				go func() { defer g.done.Done(); s.drain(g.quick, g.cancel) }()
			case time.Since(ending) > sameSignal:
				s.kill(g.cancel)
			}
		case syscall.SIGINT, syscall.SIGQUIT:
			ending = time.Now()
			s.kill(g.cancel)
		case syscall.SIGHUP:
			s.reload()
		case syscall.SIGTTIN:
			s.scale(1)
		case syscall.SIGTTOU:
			s.scale(-1)
		case syscall.SIGUSR1:
			s.reopenLogs()
		case syscall.SIGUSR2:
			s.log.Warningf("USR2 changes nothing: HUP reloads the application; a new girin needs a restart, in which systemd can keep the sockets")
		}
	}
}

// sameSignal is within what a second TERM counts as the first: timeout(1) and
// others send one to the process and one to its group.
const sameSignal = 200 * time.Millisecond

func (g *signals) close() {
	signal.Stop(g.came)
	close(g.came)
	g.done.Wait()
	g.cancel()
}

var signalNames = map[os.Signal]string{
	syscall.SIGTERM: "term", syscall.SIGINT: "int", syscall.SIGQUIT: "quit", syscall.SIGHUP: "hup",
	syscall.SIGTTIN: "ttin", syscall.SIGTTOU: "ttou", syscall.SIGUSR1: "usr1",
	syscall.SIGUSR2: "usr2",
}

// drain lets clients be served to their end, then the workers end. It gives up
// when quick ends.
func (s *server) drain(quick context.Context, stop context.CancelFunc) {
	ctx, cancel := context.WithTimeout(quick, s.cfg.GracefulTimeout)
	defer cancel()
	if err := s.front.Shutdown(ctx); err != nil && quick.Err() == nil {
		s.log.Warningf("Some requests did not finish within %v", s.cfg.GracefulTimeout)
		s.workers.Kill()
	}
	stop()
}

// kill ends everything at once.
func (s *server) kill(stop context.CancelFunc) {
	stop()
	s.workers.Kill()
}

func (s *server) reopenLogs() {
	if err := s.log.Reopen(); err != nil {
		s.log.Errorf("%v", err)
	}
	if s.access != nil {
		if err := s.access.Reopen(); err != nil {
			s.log.Errorf("%v", err)
		}
	}
}
