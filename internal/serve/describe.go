package serve

import (
	"fmt"
	"os"
	"strings"
	"time"

	"girin/internal/worker"
)

// announce says that the server serves.
func (s *server) announce(w *worker.Worker) {
	s.served()
	s.beginSidecars()
	where := strings.Join(s.urls(), " ")
	if where == "" {
		where = "it only runs jobs"
	}
	s.log.Infof("Ready after %d ms: %s", time.Since(s.began).Milliseconds(), where)
	leaveStart()
	s.log.Infof("%s", s.describePython(w))
	s.tellOfGIL(w.Facts())
	if s.isAuto() && !s.spoken.asgi() || s.cfg.WorkerClass == "gthread" && s.cfg.Threads > 1 && !s.spoken.asgi() {
		s.log.Infof("The application may be called from several threads at once; if it must not: -w 1 -k sync")
	}
	if most := s.sizes.most; most > 1 && !s.single {
		s.log.Infof("Up to %d processes run the application, each with its own memory: what requests share there (sessions, counters, sqlite's :memory:) needs -w 1", most)
	}
}

// describe says in a line what runs.
func (s *server) describe() string {
	c := s.cfg
	switch c.WorkerClass {
	case "auto":
		return "auto, " + s.sizes.arithmetic()
	case "gthread":
		return fmt.Sprintf("gthread, %s x %s: %s at once", count(c.Workers, "worker"), count(c.Threads, "thread"), count(c.Workers*c.Threads, "request"))
	case "asgi":
		return fmt.Sprintf("asgi, %s: up to %s at once", count(c.Workers, "event loop"), count(c.Workers*c.WorkerConnections, "request"))
	case "gevent":
		return fmt.Sprintf("gevent, %s x %s", count(c.Workers, "worker"), count(c.WorkerConnections, "connection"))
	}
	return fmt.Sprintf("%s, %s: %s at once", c.WorkerClass, count(c.Workers, "worker"), count(c.Workers, "request"))
}

func count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprint(n, " ", noun, "s")
}

// rename names this process as the workers are named. It is only for people to
// read, so that it may fail.
func rename(name string) {
	if name != "" {
		_ = os.WriteFile("/proc/self/comm", []byte(name[:min(len(name), longestComm)]), 0)
	}
}

// longestComm is TASK_COMM_LEN without its NUL (prctl(2), PR_SET_NAME).
const longestComm = 15
