package serve

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"

	"girin/internal/guard"
	"girin/internal/interpreter"
	"girin/internal/proc"
	"girin/internal/sched"
)

// managersOwn are the variables by which a service manager, Daemonize, or the
// launcher in Python speaks to the one process that it started. Workers must not take them for theirs.
var managersOwn = []string{daemonMark, upgradeVariable + "=", interpreter.LauncherVariable + "=", "NOTIFY_SOCKET=", "WATCHDOG_PID=", "WATCHDOG_USEC=", "LISTEN_PID=", "LISTEN_FDS=", "LISTEN_FDNAMES="}

func withoutManagersOwn(environ []string) []string {
	return slices.DeleteFunc(slices.Clone(environ), func(e string) bool {
		return slices.ContainsFunc(managersOwn, func(name string) bool { return strings.HasPrefix(e, name) })
	})
}

// startWatchdog tells the service manager twice in each of its intervals that
// the server is alive, if it is.
func (s *server) startWatchdog() (stop func(), err error) {
	interval, err := daemon.SdWatchdogEnabled(false)
	if err != nil {
		s.log.Warningf("the service manager's watchdog: %v", err)
	}
	if interval <= 0 {
		return func() {}, nil
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		s.guard.Keep(guard.Part{Name: "watchdog", Run: func() { s.watchdog(ctx, interval/2) }})
	}()
	return func() { cancel(); <-done }, nil
}

func (s *server) watchdog(ctx context.Context, every time.Duration) {
	t := time.NewTicker(every)
	defer t.Stop()
	for {
		switch err := s.alive(ctx, every); {
		case err == nil:
			s.manager.tell(daemon.SdNotifyWatchdog)
		case ctx.Err() == nil:
			s.log.Criticalf("the watchdog is not told that the server is alive: %v", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-t.C:
		}
	}
}

// alive reports what does not answer in time of the server's own parts. The
// application is not asked: that all its threads are busy is no reason to
// start the server anew, and for those that are stuck there is the timeout.
func (s *server) alive(ctx context.Context, limit time.Duration) error {
	ctx, cancel := context.WithTimeoutCause(ctx, limit, errors.New("no answer within "+limit.String()))
	defer cancel()
	if err := s.workers.Alive(ctx); err != nil {
		return fmt.Errorf("supervisor: %w", err)
	}
	parts := []struct {
		name  string
		touch func()
	}{
		{"scheduler", func() { s.touchQueue() }},
		{"front", func() { s.front.Conns() }},
	}
	for _, part := range parts {
		answered := make(chan struct{})
		go func() { part.touch(); close(answered) }()
		select {
		case <-answered:
		case <-ctx.Done():
			return fmt.Errorf("%s: %w", part.name, context.Cause(ctx))
		}
	}
	return nil
}

// touchQueue goes through the lock that every new connection needs.
func (s *server) touchQueue() {
	var c sched.Call
	if s.queue.Register(&c) {
		s.queue.Release(&c)
	}
}

// mainPID is the first process of a system or container.
const mainPID = 1

// reapOrphans waits for processes that lose their parent, which is the duty of
// process 1, and of who adopts them: with a configuration file or preload_app another
// process forks the workers.
func (s *server) reapOrphans() (stop func(), err error) {
	if os.Getpid() == mainPID || s.cfg.PreloadApp || forks && needsArbiter(s.cfg) {
		err = s.adoptOrphans()
	}
	return s.leaveOrphans, err
}

// adoptOrphans begins with it.
func (s *server) adoptOrphans() error {
	s.orphans.Lock()
	defer s.orphans.Unlock()
	if s.orphans.leave != nil {
		return nil
	}
	if os.Getpid() != mainPID {
		if err := proc.AdoptOrphans(); err != nil {
			return fmt.Errorf("no other process can fork workers here: %w", err)
		}
	}
	s.orphans.leave = s.starter.Reap()
	return nil
}

func (s *server) leaveOrphans() {
	s.orphans.Lock()
	defer s.orphans.Unlock()
	if s.orphans.leave != nil {
		s.orphans.leave()
	}
}
