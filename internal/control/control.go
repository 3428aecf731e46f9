// Package control is a running server's control socket: a unix socket in the
// user's runtime directory over which `girin ctl` and `girin top` ask what the
// server does. It owns the socket's place, its rights and the check of who
// asks. What is told is a Status; that it is made of, the server knows.
package control

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"girin/internal/front"
	"girin/internal/sched"
	"girin/internal/sidecar"
)

// Status is what a server tells of itself.
type Status struct {
	Version   string        `json:"version"`
	PID       int           `json:"pid"`
	App       string        `json:"app"`
	Class     string        `json:"class"`
	Cores     int           `json:"cores"`
	Started   time.Time     `json:"started"`
	Addresses []string      `json:"addresses"`
	Conns     int           `json:"connections"`
	Held      front.Held    `json:"held"`
	Sched     sched.Status  `json:"sched"`
	Decisions []Decision    `json:"decisions"` // the last ones of auto, oldest first
	Uptime    time.Duration `json:"uptime"`

	Sidecars []sidecar.Status `json:"sidecars,omitempty"`
	Jobs     *Jobs            `json:"jobs,omitempty"` // nil: there are none
}

// Jobs are what a server tells of jobs (--offload).
type Jobs struct {
	Connected bool   `json:"connected"` // the engine answers
	Version   string `json:"version"`   // of the application
	Waiting   int    `json:"waiting"`   // of this server's clients; nobody has begun them
	Running   int    `json:"running"`   // here
	Accepted  int    `json:"accepted"`  // of all servers: those that wait or run
	Peers     int    `json:"peers"`     // other servers
}

// Decision is something that auto did, and why.
type Decision struct {
	Time  time.Time `json:"time"`
	Text  string    `json:"text"`
	Count int       `json:"count"` // of those that differ from it in their numbers alone; it is the latest
	First time.Time `json:"first"` // when the first of them was made
}

// Dir is the directory of control sockets: the user's own, never a shared one
// where another could have put something first. $GIRIN_RUNTIME_DIR names another.
func Dir(getenv func(string) string) (string, error) {
	if dir := getenv("GIRIN_RUNTIME_DIR"); dir != "" {
		return dir, nil
	}
	if os.Geteuid() == 0 {
		return "/run/girin", nil
	}
	if dir := getenv("XDG_RUNTIME_DIR"); dir != "" {
		return filepath.Join(dir, "girin"), nil
	}
	if home := getenv("HOME"); home != "" {
		return filepath.Join(home, ".cache", "girin"), nil
	}
	return "", errors.New("there is no runtime directory: $XDG_RUNTIME_DIR and $HOME are not set")
}

// Path is the control socket of the server with that process id.
func Path(dir string, pid int) string { return filepath.Join(dir, strconv.Itoa(pid)+".sock") }

// abstractName is the name of a control socket that could not be in dir, "" if there
// was none: of this user's server with that process id. A path may be too long for it.
func abstractName(dir string, pid int) string {
	place := sha256.Sum256([]byte(dir))
	return fmt.Sprintf("@girin/%d/%x/%d", os.Geteuid(), place[:8], pid)
}

// Server answers on a control socket.
type Server struct {
	path     string // "": it has none
	listener net.Listener
	http     http.Server
	done     chan struct{} // nil before Serve
}

// Listen opens the control socket of this process in dir, which is made if it
// is not there. Serve answers on it.
func Listen(dir string) (*Server, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	if err := ours(dir); err != nil {
		return nil, err
	}
	sweep(dir)
	path := Path(dir, os.Getpid())
	l, err := net.Listen("unix", path)
	if err != nil {
		return nil, err
	}
	if err := os.Chmod(path, 0o600); err != nil {
		l.Close()
		return nil, err
	}
	return &Server{path: path, listener: l}, nil
}

// Serve begins to answer with what status returns, and other requests with what jobs
// answers; nil: there are no jobs.
func (s *Server) Serve(status func() Status, jobs http.Handler) {
	mux := http.NewServeMux()
	if jobs != nil {
		mux.Handle("/", jobs)
	}
	mux.HandleFunc("GET /status", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(status())
	})
	s.http.Handler, s.http.ReadTimeout = mux, 5*time.Second
	s.done = make(chan struct{})
	go func() {
		defer close(s.done)
		_ = s.http.Serve(checked{s.listener, func(uid int) bool { return allowed(uid, os.Geteuid()) }})
	}()
}

// Close removes the socket and ends what is being answered.
func (s *Server) Close() {
	s.listener.Close()
	if s.done != nil {
		s.http.Close()
		<-s.done
	}
	if s.path != "" {
		_ = os.Remove(s.path)
	}
}

// checked accepts only peers that may ask.
type checked struct {
	net.Listener
	allow func(uid int) bool
}

// allowed reports whether a user may ask a server of ours: ourselves, and root.
func allowed(uid, ours int) bool { return uid == ours || uid == 0 }

func (l checked) Accept() (net.Conn, error) {
	for {
		c, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		if uid, err := peerUID(c.(*net.UnixConn)); err == nil && l.allow(uid) {
			return c, nil
		}
		c.Close()
	}
}

// sweep removes the sockets of servers that have ended without doing so.
func sweep(dir string) {
	for _, path := range sockets(dir) {
		if !answers(path) {
			_ = os.Remove(path)
		}
	}
}

// answers reports whether a server listens on a socket. One that is busy does, too.
func answers(path string) bool {
	c, err := net.Dial("unix", path)
	if err == nil {
		c.Close()
	}
	return !errors.Is(err, syscall.ECONNREFUSED) && !errors.Is(err, os.ErrNotExist)
}

func sockets(dir string) []string {
	paths, _ := filepath.Glob(filepath.Join(dir, "*.sock"))
	return paths
}

// trusted refuses an answer from somebody else's process. A path is in a directory
// that only this user can change; a name without one anybody could have taken.
func trusted(c *net.UnixConn, path string) error {
	if !strings.HasPrefix(path, "@") {
		return nil
	}
	uid, err := peerUID(c)
	if err == nil && !allowed(uid, os.Geteuid()) {
		err = fmt.Errorf("user %d has taken this name", uid)
	}
	if err != nil {
		c.Close()
	}
	return err
}

// Get asks a server for its status.
func Get(ctx context.Context, path string) (s Status, err error) {
	client := client(path)
	client.Timeout = 5 * time.Second
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://girin/status", nil)
	if err != nil {
		return s, err
	}
	resp, err := client.Do(req)
	if err != nil {
		return s, fmt.Errorf("ask %s: %w", path, err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return s, fmt.Errorf("ask %s: %s", path, resp.Status)
	}
	return s, json.NewDecoder(resp.Body).Decode(&s)
}

// client asks the server of a control socket.
func client(path string) *http.Client {
	return &http.Client{Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			var d net.Dialer
			c, err := d.DialContext(ctx, "unix", path)
			if err == nil {
				err = trusted(c.(*net.UnixConn), path)
			}
			return c, err
		},
	}}
}

// Ask asks a server about its jobs. The answer's body is the caller's to close.
func Ask(ctx context.Context, path, method, what string) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, method, "http://girin"+what, nil)
	if err != nil {
		return nil, err
	}
	res, err := client(path).Do(req)
	if err != nil {
		return nil, fmt.Errorf("ask %s: %w", path, err)
	}
	return res, nil
}
