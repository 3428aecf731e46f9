package serve

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"

	"girin/internal/arbiter"
	"girin/internal/front"
	"girin/internal/interpreter"
	"girin/internal/proc"
)

// USR2 starts a server beside this one, as gunicorn's does: the program that now lies where
// this one was started from, with the same arguments, folder and environment.
//
//	this server                              the new one
//	  USR2: passes its sockets on ──starts──▶ accepts from them as well; its pid is in PIDFILE.2
//	  TERM: answers what it has accepted        │
//	  ends ─────────the pipe's end────────────▶ its pid is in PIDFILE; the sockets are its own
//
// Ending the new one instead leaves all as it was before.

// upgrade does what USR2 asks for.
func (s *server) upgrade(ctx context.Context) {
	switch why := s.mayNotUpgrade(); {
	case s.successor.Load() != nil:
		s.log.Warningf("USR2 signal ignored. Child exists.")
		return
	case s.predecessor.here():
		s.log.Warningf("USR2 signal ignored. Parent exists.")
		return
	case why != "":
		s.log.Warningf("USR2 starts no server beside this one: %s. HUP reloads the application", why)
		return
	}
	s.ask(ctx, arbiter.Event{Hook: "pre_exec"})
	s.share(true)
	successor, alive, err := s.startSuccessor()
	if err != nil {
		s.share(false)
		s.log.Errorf("USR2: %v", err)
		return
	}
	s.log.Infof("USR2: another server starts beside this one, pid: %d; TERM ends this one", successor.PID())
	s.successor.Store(successor)
	s.signals.beside(func() { s.awaitSuccessor(successor, alive) })
}

// mayNotUpgrade says what there must not be twice; "": nothing.
func (s *server) mayNotUpgrade() string {
	switch {
	case len(s.cfg.Sidecars) > 0:
		return "its sidecars would run twice"
	case os.Getpid() == mainPID:
		return "with process 1 its container ends"
	case s.cfg.Jobs():
		return "jobs have one server of a name on each machine"
	}
	return ""
}

// startSuccessor starts the new server. The returned pipe is open as long as this one runs.
func (s *server) startSuccessor() (*proc.Process, *os.File, error) {
	path, err := os.Executable()
	if err != nil {
		return nil, nil, err
	}
	theirs, alive, err := os.Pipe()
	if err != nil {
		return nil, nil, err
	}
	files, said, err := s.handed()
	if err == nil {
		said.Pipe, err = inode(int(theirs.Fd()))
	}
	files = append([]*os.File{theirs}, files...)
	defer func() {
		for _, f := range files {
			f.Close()
		}
	}()
	var null *os.File
	if err == nil {
		null, err = os.OpenFile(os.DevNull, os.O_RDWR, 0) // a daemon tells on it that it listens
	}
	var text []byte
	if err == nil {
		defer null.Close()
		text, err = json.Marshal(said)
	}
	if err != nil {
		alive.Close()
		return nil, nil, err
	}
	environ := append(withoutUpgrade(s.env.Environ), upgradeVariable+"="+string(text), oldMaster+strconv.Itoa(os.Getpid()))
	if launcher := interpreter.LauncherForDaemon(s.env.Getenv); launcher != "" {
		environ = append(environ, launcher)
	}
	p, err := s.starter.Start(proc.Spec{Path: path, Args: os.Args[1:], Env: environ, Dir: s.source.Dir, Files: files, In: null, Outlives: true})
	if err != nil {
		alive.Close()
		return nil, nil, err
	}
	return p, alive, nil
}

// handed are the sockets for the new server, and what they are.
func (s *server) handed() (files []*os.File, said handover, err error) {
	said.Metrics = s.cfg.Metrics
	for _, l := range s.sockets.open() {
		f, failed := front.FileOf(l.Listener)
		if failed != nil {
			err = errors.Join(err, failed)
			continue
		}
		files, said.Sockets = append(files, f), append(said.Sockets, l.address)
	}
	if s.scrapes != nil {
		f, failed := front.FileOf(s.scrapes)
		if failed != nil {
			return files, said, errors.Join(err, failed)
		}
		files = append(files, f)
	}
	if err != nil {
		err = fmt.Errorf("the sockets: %w", err)
	}
	return files, said, err
}

// awaitSuccessor waits until the new server has ended, or this one does.
func (s *server) awaitSuccessor(p *proc.Process, alive *os.File) {
	select {
	case <-p.Done():
	case <-s.ending.begun.Done():
		s.toSuccessor = alive // it ends with this process, not when it is collected as garbage
		return
	}
	alive.Close()
	s.successor.Store(nil)
	s.share(false)
	if own := s.pidFile.Load(); own != nil {
		removePidFileOf(*own+beside, p.PID()) // if it had no time to
	}
	s.log.Warningf("The server that USR2 started has ended (%v); this one goes on", endOf(p))
}

// share says whether another server accepts from the sockets as well.
func (s *server) share(shared bool) {
	s.front.Share(shared)
	if s.scrapes != nil {
		front.Share(s.scrapes, shared)
	}
}

func endOf(p *proc.Process) string {
	if p.Err() == nil {
		return "exit status 0"
	}
	return p.Err().Error()
}

// oldMaster tells the configuration file, its hooks and the application which server started theirs,
// until that has ended; gunicorn's name for it.
const oldMaster = "GUNICORN_PID="

// pythonEnviron is what Python's processes get of this one's environment.
func (c *Crew) pythonEnviron(environ []string) []string {
	return slices.DeleteFunc(withoutManagersOwn(environ), func(e string) bool {
		return !c.predecessor.here() && strings.HasPrefix(e, oldMaster)
	})
}

// ofThisProcess are the variables that are not the new server's. Without WATCHDOG_PID it takes
// the service manager's watchdog for its own, which it is once it is the main process.
var ofThisProcess = []string{oldMaster, upgradeVariable + "=", interpreter.LauncherVariable + "=", "WATCHDOG_PID="}

func withoutUpgrade(environ []string) []string {
	return slices.DeleteFunc(slices.Clone(environ), func(e string) bool {
		return slices.ContainsFunc(ofThisProcess, func(name string) bool { return strings.HasPrefix(e, name) })
	})
}
