package lab

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"syscall"
	"time"

	"girin/internal/lab/plan"
	"girin/internal/proc"
)

// Limits on a server's life.
const (
	startTimeout = 30 * time.Second // until it answers
	quietTimeout = 10 * time.Second // until its other workers have started too
	stopGrace    = 3 * time.Second  // between TERM and KILL
)

// A Server is a started one that answers.
type Server struct {
	process *proc.Process
	url     string // http://127.0.0.1:PORT
	log     *os.File
}

// Readiness is how a server is seen to be ready.
type Readiness struct {
	Port  string        // of the loopback, on which it listens
	Path  string        // any HTTP response there counts, unless Ready says more; empty: /
	Ready bool          // only a success does
	Limit time.Duration // zero: startTimeout
}

// StartServer runs a server, with a file as Spec.Err, and returns when it answers and has settled. On
// failure nothing is left running.
func StartServer(ctx context.Context, starter *proc.Starter, spec proc.Spec, r Readiness) (*Server, error) {
	process, err := starter.Start(spec)
	if err != nil {
		return nil, err
	}
	s := &Server{process: process, url: "http://127.0.0.1:" + r.Port, log: spec.Err}
	if err := s.waitReady(ctx, r); err != nil {
		s.Stop()
		return nil, err
	}
	s.waitQuiet(ctx)
	return s, nil
}

// FreePort returns a port that was free a moment ago.
func FreePort() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer l.Close()
	_, port, err := net.SplitHostPort(l.Addr().String())
	return port, err
}

// waitReady polls until the server is ready.
func (s *Server) waitReady(ctx context.Context, r Readiness) error {
	limit := cmp.Or(r.Limit, startTimeout)
	deadline := time.NewTimer(limit)
	defer deadline.Stop()
	for {
		a, err := s.ask(ctx, plan.Endpoint{Method: http.MethodGet, Path: cmp.Or(r.Path, "/")}, 5*time.Second)
		if err == nil && (!r.Ready || a.status == http.StatusOK) {
			return nil
		}
		select {
		case <-s.process.Done():
			return fmt.Errorf("the server ended before it answered (exit code %d)%s", s.process.ExitCode(), s.Said())
		case <-deadline.C:
			return fmt.Errorf("the server did not answer within %v%s", limit, s.Said())
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// mostSaid is how much of a log is read: an application may log each request of a load.
const mostSaid = 64 << 10

// Said is the end of the server's log, for errors.
func (s *Server) Said() string {
	file, err := os.Open(s.log.Name())
	if err != nil {
		return ""
	}
	defer file.Close()
	if info, err := file.Stat(); err == nil && info.Size() > mostSaid {
		_, _ = file.Seek(-mostSaid, io.SeekEnd)
	}
	text, err := io.ReadAll(io.LimitReader(file, mostSaid)) // it may still be written to
	if err != nil || len(text) == 0 {
		return ""
	}
	return ": " + lastLines(string(text), 4)
}

// waitQuiet returns when the process tree has used no CPU for 150 ms: the first worker
// answers while the others may still import the app, which must not be measured.
func (s *Server) waitQuiet(ctx context.Context) {
	end := time.Now().Add(quietTimeout)
	last, quiet := cpuOf(s.process.PID()), 0
	for quiet < 3 && time.Now().Before(end) {
		select {
		case <-ctx.Done():
			return
		case <-time.After(50 * time.Millisecond):
		}
		if now := cpuOf(s.process.PID()); now == last {
			quiet++
		} else {
			last, quiet = now, 0
		}
	}
}

// Stop ends the server and everything it started.
func (s *Server) Stop() { s.end(stopGrace) }

// Kill is Stop for a server that hangs: it gets no time to end by itself.
func (s *Server) Kill() { s.end(0) }

func (s *Server) end(grace time.Duration) {
	tree := processTree(s.process.PID())
	_ = s.process.Signal(syscall.SIGTERM) // it may have ended
	s.process.Stop(grace)
	for _, p := range tree {
		// A child that has left the group and outlived its parent. The id is checked
		// again, since a process that ended may have given it to another.
		if now, err := readProcess(p.pid); err == nil && now.group == p.group {
			_ = syscall.Kill(p.pid, syscall.SIGKILL)
		}
	}
}

// Ended reports whether the server is gone.
func (s *Server) Ended() bool {
	select {
	case <-s.process.Done():
		return true
	default:
		return false
	}
}

// An answer is a response as far as it is compared.
type answer struct {
	status int
	body   string // a hash
}

// URL is where the server listens, without a path.
func (s *Server) URL() string { return s.url }

// PID is the process id of the server's main process.
func (s *Server) PID() int { return s.process.PID() }

// CPU is the CPU time that the server and everything it started have used.
func (s *Server) CPU() time.Duration { return cpuOf(s.PID()) }

// Memory is what all of the server's processes hold, in MiB: shared pages count once.
func (s *Server) Memory() (mib float64, processes int) { return memoryOf(s.PID()) }

// ask makes one request on a connection of its own.
func (s *Server) ask(ctx context.Context, e plan.Endpoint, timeout time.Duration) (answer, error) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	body, err := bodyOf(e)
	if err != nil {
		return answer{}, err
	}
	request, err := http.NewRequestWithContext(ctx, e.Method, s.url+e.Path, bytes.NewReader(body))
	if err != nil {
		return answer{}, err
	}
	for name, value := range e.Headers {
		request.Header.Set(name, value)
		if strings.EqualFold(name, "Host") {
			request.Host = value
		}
	}
	transport := &http.Transport{DisableKeepAlives: true}
	client := &http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error {
		return http.ErrUseLastResponse
	}}
	response, err := client.Do(request)
	if err != nil {
		return answer{}, err
	}
	defer response.Body.Close()
	hash := sha256.New()
	if _, err := io.Copy(hash, response.Body); err != nil {
		return answer{}, err
	}
	return answer{status: response.StatusCode, body: hex.EncodeToString(hash.Sum(nil)[:8])}, nil
}

// probe asks an endpoint once, so that what the app does on its first request is done, and
// checks that the answer is a success.
func (s *Server) probe(ctx context.Context, e plan.Endpoint) (answer, error) {
	if e.WebSocket {
		return answer{}, nil // its load begins with a handshake, and says if that fails
	}
	a, err := s.ask(ctx, e, startTimeout)
	switch {
	case err != nil:
		return a, serverFault{fmt.Sprintf("probe of %s: %v%s", e.Path, err, s.Said())}
	case a.status < 200 || a.status > 299:
		return a, serverFault{fmt.Sprintf("probe of %s: status %d%s", e.Path, a.status, s.Said())}
	}
	return a, nil
}

// A serverFault is what goes wrong with a server under test: a result, where an error of
// the lab's own ends the run.
type serverFault struct{ text string }

func (f serverFault) Error() string { return f.text }

// errServerEnded is why a run does not count although the load generator ended well.
var errServerEnded = errors.New("the server's main process ended during the run")
