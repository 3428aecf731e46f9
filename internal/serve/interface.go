package serve

import (
	"errors"
	"sync/atomic"

	"girin/internal/worker"
)

// spoken is the interface of the application. Its first worker tells it: only who has
// imported an application knows what it is.
type spoken struct{ is atomic.Int32 }

const (
	unknownInterface = iota
	wsgi
	asgi
)

// asgi reports whether the application is known to speak ASGI.
func (s *spoken) asgi() bool { return s.is.Load() == asgi }

// hear takes what a worker has found. First: nobody knew it before; not ok: it is
// another one than before.
func (s *spoken) hear(now int32) (first, ok bool) {
	first = s.is.CompareAndSwap(unknownInterface, now)
	return first, first || s.is.Load() == now
}

// errInterface refuses a reload: the clients' requests are packed for the interface
// from before.
var errInterface = errors.New("the application has changed between WSGI and ASGI: to bring that in, start the server again")

// workerServes hears of each worker before it gets requests, says how many there
// should be (0: as many as there are), or why this one must not serve.
func (s *server) workerServes(w *worker.Worker) (workers int, err error) {
	facts, speaks := w.Facts(), int32(wsgi)
	if facts.ASGI() {
		speaks = asgi
	}
	first, ok := s.spoken.hear(speaks)
	if !ok {
		return 0, errInterface
	}
	s.front.Mount(s.mountOf(facts))
	if facts.KeepsSessions != "" && s.sizes.most > 1 && !s.single { // also the first of a reload
		s.serveSingle(facts.KeepsSessions)
		workers = 1
	}
	switch {
	case !first:
	case speaks == wsgi:
		s.front.SpeakWSGI()
	default:
		loops := s.sizes.loops()
		if s.single {
			loops = 1
		}
		workers = s.serveASGI(loops)
	}
	return workers, nil
}

// serveSingle makes the server one for an application whose clients come back to what its
// process keeps for them: requests that another process got would fail.
func (s *server) serveSingle(keeper string) {
	s.single = true
	s.queue.Single()
	s.log.Infof("%s keeps its clients' sessions in the application's process, so auto runs one; -k %s with -w runs more", keeper, s.fixedClass())
}

// fixedClass is the class with which a person says how many processes there are.
func (s *server) fixedClass() string {
	if s.spoken.asgi() {
		return "asgi"
	}
	return "gthread"
}

// serveASGI makes the server one for an application that speaks ASGI: each worker is
// an event loop, that runs many requests at once and takes more when it has time. Under auto
// there are so many loops to begin with.
func (s *server) serveASGI(loops int) (workers int) {
	s.front.SpeakASGI()
	class := s.cfg.WorkerClass
	if class == "asgi" {
		return 0
	}
	workers = s.cfg.Workers
	if class == "auto" {
		workers = loops
		s.queue.Loops(workers)
	}
	s.log.Infof("The application speaks ASGI: the class is asgi, not %s: %s, each with up to %s at once",
		class, count(workers, "event loop"), count(s.cfg.WorkerConnections, "request"))
	return workers
}

// class is what the workers are, as the application has turned out.
func (s *server) class() string {
	if s.spoken.asgi() {
		return "asgi"
	}
	return s.cfg.WorkerClass
}

// mountOf is where the application is mounted.
func (s *server) mountOf(f worker.Facts) string {
	if root := s.current.Load().RootPath; f.ASGI() && root != "" {
		return root
	}
	return f.ScriptName
}

// loops is how many event loops auto begins with: one for each core.
func (p sizes) loops() int { return min(p.cores, p.most) }
