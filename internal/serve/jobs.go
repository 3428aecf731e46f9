package serve

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nkeys"

	"girin/internal/config"
	"girin/internal/control"
	"girin/internal/front/spool"
	"girin/internal/jobs"
	"girin/internal/jobs/engine"
	"girin/internal/jobs/job"
	"girin/internal/offload"
	"girin/internal/sched"
)

// work is what the server has to do with jobs; nothing of it is there unless an option
// asks for it.
type work struct {
	node   *jobs.Node
	engine engine.Settings // of the engine that this server starts, if connect is empty
	routes offload.Routes
	socket net.Listener // for this server\'s own processes
	path   string       // of socket; "": there is none
}

// openJobs finds out whether jobs can be what the settings say, before anything starts.
func (s *server) openJobs() error {
	c := s.cfg
	if !c.Jobs() {
		return nil
	}
	s.warnOfOpenKeys()
	w := new(work)
	w.routes, _ = offload.Parse(c.Offload) // which the configuration has checked
	options, err := s.jobsConnection(w)
	if err != nil {
		return fmt.Errorf("jobs: %w", err)
	}
	slots := c.OffloadSlots
	if slots < 0 {
		slots = s.sizes.cores
	}
	hooks, err := openHooks(c)
	if err != nil {
		return err
	}
	url := strings.Join(c.OffloadConnect, ",")
	auth, _ := jobs.ParseAuth(c.OffloadAuth) // which the configuration has checked
	w.node = jobs.New(jobs.Config{
		App: cmp.Or(c.ProcName, c.App), Version: s.appVersion(c), Routes: w.routes, Slots: slots, Retry: jobRetries,
		MaxJobs: c.OffloadJobs, MaxBytes: w.most(c.OffloadMax), Auth: auth, Replicas: replicasOf(c), Tasks: c.Tasks, Keep: c.OffloadKeep, MoveAfter: c.OffloadMove, Room: w.room, Connect: options, URL: cmp.Or(url, "nats://engine.invalid"), Own: url == "", Hooks: hooks,
		Bases: s.bases, File: func() (*os.File, error) { return spool.Nameless(cmp.Or(c.SpoolDir, c.TmpUploadDir)) }, Rest: func() { s.front.Rest() }, Clock: monotonic(), Wall: wallClock(), Log: s.log, Guard: s.guard,
	})
	if err := w.openJobSocket(s); err != nil {
		s.log.Warningf("The application cannot reach its jobs: %v", err)
	}
	s.work = w
	return nil
}

// room reports whether the disk of the engine, if it is this server's, takes so much more.
func (w *work) room(more int64) bool { return w.engine.Dir == "" || roomIn(w.engine.Dir, more) }

// jobRetries is how often a job is run again whose runner has died, unless its route
// says otherwise.
const jobRetries = 2

// jobsConnection says how the engine is reached, and what it is if it is this server's.
func (s *server) jobsConnection(w *work) (options []nats.Option, err error) {
	c := s.cfg
	others, err := readKey(c.OffloadKey)
	if err != nil {
		return nil, err
	}
	if len(c.OffloadConnect) > 0 {
		return joining(c, others)
	}
	w.engine = engine.Settings{MaxStore: storeMost, Listen: cmp.Or(c.OffloadListen, "127.0.0.1:0"), CertFile: c.OffloadTLSCert, KeyFile: c.OffloadTLSKey}
	if w.engine.Cluster, err = clusterOf(c, others); err != nil {
		return nil, err
	}
	if w.engine.Dir, err = s.jobsDir(); err != nil {
		return nil, err
	}
	own, err := nkeys.CreateUser() // of this run, for this process alone
	if err != nil {
		return nil, err
	}
	option, public, err := shown(own)
	if err != nil {
		return nil, err
	}
	options, w.engine.Keys = append(options, option), []string{public}
	if others != nil {
		_, public, err := shown(others)
		if err != nil {
			return nil, err
		}
		w.engine.Keys = append(w.engine.Keys, public)
	}
	if c.OffloadTLSCert != "" {
		pinned, err := pinnedTo(c.OffloadTLSCert, c.OffloadTLSKey)
		if err != nil {
			return nil, err
		}
		options = append(options, nats.Secure(pinned))
	}
	return options, nil
}

// jobsDir is where the engine stores what it has.
func (s *server) jobsDir() (dir string, err error) {
	getenv := s.env.Getenv
	switch {
	case s.cfg.OffloadDir != "":
		dir = s.cfg.OffloadDir
	case getenv("STATE_DIRECTORY") != "":
		dir, _, _ = strings.Cut(getenv("STATE_DIRECTORY"), ":")
	case getenv("XDG_STATE_HOME") != "":
		dir = filepath.Join(getenv("XDG_STATE_HOME"), "girin")
	case getenv("HOME") != "":
		dir = filepath.Join(getenv("HOME"), ".local", "state", "girin")
	default:
		return "", errors.New("there is no directory to store them in: set offload_dir")
	}
	if s.cfg.OffloadDir == "" {
		dir = filepath.Join(dir, job.Token(cmp.Or(s.cfg.ProcName, s.cfg.App)))
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", err
	}
	info, err := os.Stat(dir)
	if err == nil && info.Mode().Perm()&0o022 != 0 {
		return "", fmt.Errorf("%s may be written to by others: give them a directory of their own", dir)
	}
	if err == nil {
		err = triedOut(dir)
	}
	return dir, err
}

// triedOut reports why nothing can ever be stored in a directory, at the start and not by the
// engine's end again and again. A full disk is none of those reasons.
func triedOut(dir string) error {
	f, err := os.CreateTemp(dir, "tried-")
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("nothing can be stored in their directory (offload_dir): %w", err)
	}
	f.Close()
	return os.Remove(f.Name())
}

// remote is what the queue asks about calls that may run elsewhere.
func (s *server) remote() sched.Remote {
	if s.work == nil {
		return nil
	}
	return s.work.node.Remote()
}

// isJob reports whether a request is one; nil: none is.
func (s *server) isJob() func(method, path []byte) bool {
	if s.work == nil {
		return nil
	}
	routes, own := s.work.routes, []byte(jobs.Prefix)
	return func(method, path []byte) bool {
		return routes.Find(method, path) != nil || bytes.Contains(path, own) // it may be below a mount point
	}
}

// refusesJob says by the head of a request why it cannot be an accepted job.
func (s *server) refusesJob() func(method, path, prefer []byte, length int64) string {
	if s.work == nil {
		return nil
	}
	return s.work.node.Refuses
}

// limitOfJob says how long the route of a job lets it run.
func (s *server) limitOfJob() func(method, path []byte) time.Duration {
	if s.work == nil {
		return nil
	}
	routes := s.work.routes
	return func(method, path []byte) time.Duration {
		if route := routes.Find(method, path); route != nil {
			return route.Timeout
		}
		return 0
	}
}

// startJobs starts the engine, if it is this server's, and connects.
func (s *server) startJobs() (stop func(), err error) {
	if s.work == nil {
		return func() {}, nil
	}
	var child *engine.Child
	var more []nats.Option
	if len(s.cfg.OffloadConnect) == 0 {
		child = engine.Start(engine.Config{Starter: s.starter, Path: ownPath(), Env: s.env.Environ, Settings: s.work.engine, Log: s.log})
		more = append(more, nats.SetCustomDialer(dialer{child}))
	}
	closeSocket := s.serveJobSocket()
	stop = func() {
		closeSocket()
		s.work.node.Close(s.ending.now)
		if child != nil {
			child.Close(s.ending.now)
		}
	}
	return stop, s.work.node.Start(s.queue, more...)
}

// dialer reaches an engine that may listen elsewhere when it was started again.
type dialer struct{ *engine.Child }

// SkipTLSHandshake leaves TLS to the client library.
func (dialer) SkipTLSHandshake() bool { return false }

// jobsStatus is what is told of jobs; nil: there are none.
func (s *server) jobsStatus() *control.Jobs {
	if s.work == nil {
		return nil
	}
	o := s.work.node.Overview()
	return &control.Jobs{
		Connected: o.Connected, Version: o.Version, Waiting: o.Waiting, Running: o.Running, Accepted: o.Queued, Peers: len(o.Peers) - 1,
	}
}

// jobsReloaded returns what is told when the workers of a reload serve.
func (s *server) jobsReloaded(c *config.Config) func() {
	if s.work == nil {
		return func() {}
	}
	version := s.appVersion(c)
	return func() { s.work.node.SetVersion(version) }
}

// workerPerished tells the jobs that a worker ran how it has ended.
func (s *server) workerPerished(ran []sched.Running, how string) {
	if s.work == nil {
		return
	}
	for _, r := range ran {
		s.work.node.Perished(r.ID, how)
	}
}

// jobsInside is what the administrator may do with jobs; nil: there are none.
func (s *server) jobsInside() http.Handler {
	if s.work == nil {
		return nil
	}
	return s.work.node.Inside()
}
