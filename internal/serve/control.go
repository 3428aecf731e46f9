package serve

import (
	"os"
	"time"

	"girin/internal/control"
	"girin/internal/program"
)

// listenControl opens the control socket, while the server still has the rights
// that it began with. A server without one serves as well.
func (s *server) listenControl() error {
	dir, err := control.Dir(s.env.Getenv)
	if err == nil {
		s.control, err = control.Listen(dir)
	}
	if err != nil {
		why := err
		if s.control, err = control.ListenAbstract(dir); err != nil {
			s.log.Warningf("girin ctl cannot ask this server: %v; %v", why, err)
			return nil
		}
		s.log.Debugf("girin ctl asks this server through a socket without a path: %v", why)
	}
	return nil
}

// serveControl begins to answer on the control socket.
func (s *server) serveControl() (stop func(), err error) {
	if s.control != nil {
		s.control.Serve(s.status, s.jobsInside())
	}
	return func() {}, nil // close ends it
}

func (s *server) status() control.Status {
	return control.Status{
		Version: program.Version(), PID: os.Getpid(), App: s.cfg.App, Class: s.class(), Cores: s.sizes.cores,
		Started: s.began, Uptime: time.Since(s.began), Addresses: s.urls(), Conns: s.front.Conns(),
		Held: s.front.Held(), Sched: s.queue.Status(), Jobs: s.jobsStatus(), Decisions: s.decisions.list(), Sidecars: s.sidecars.Status(),
	}
}
