package soak

import (
	"bufio"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// limit is how long a step outside the load may take.
const limit = 60 * time.Second

// server is a girin that runs.
type server struct {
	path    string
	cmd     *exec.Cmd
	addr    string
	metrics string
	dir     string // of its control socket
	secure  bool
	sockets bool // its application has WebSockets
	slots   int64
	clients int
	killed  bool // its workers are killed by and by
	done    chan struct{}

	mu  sync.Mutex
	log []string // guarded by mu: the last lines of its error log
	all bool     // guarded by mu: each line is kept
}

// appFor is the app, in the form that the class runs.
func appFor(args []string) string {
	if slices.Contains(args, "asgi") {
		return "soakasgi"
	}
	return "soakapp"
}

// start starts a server for soakapp and waits until all its workers are ready.
func start(t *testing.T, args []string, secure bool) *server {
	t.Helper()
	dir, err := filepath.Abs("testdata")
	if err != nil {
		t.Fatal(err)
	}
	s := &server{addr: freeAddress(t), metrics: freeAddress(t), secure: secure, slots: 16, dir: t.TempDir(), done: make(chan struct{})}
	s.sockets = appFor(args) == "soakasgi"
	args = append([]string{
		"--chdir", dir, "-b", s.addr, "--metrics", s.metrics, "--graceful-timeout", "30", "--keep-alive", "2", "--timeout", "20", "--log-level", "info",
	}, args...)
	if secure {
		cert, key := certificate(t)
		args = append(args, "--certfile", cert, "--keyfile", key, "--http-protocols", "h2,h1")
	}
	s.path = girin(t)
	s.cmd = exec.Command(s.path, append(args, appFor(args))...)
	s.cmd.Env = append(os.Environ(), "GIRIN_RUNTIME_DIR="+s.dir, "TMPDIR="+t.TempDir())
	s.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	out, err := s.cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := s.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go s.follow(out)
	t.Cleanup(func() { s.end(t) })
	until(t, "the workers are ready", func() bool { return s.said("Ready after") })
	return s
}

func girin(t *testing.T) string {
	if path := os.Getenv("GIRIN"); path != "" {
		return path
	}
	path := filepath.Join(t.TempDir(), "girin")
	if out, err := exec.Command("go", "build", "-o", path, "girin/cmd/girin").CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	return path
}

func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// certificate writes one for localhost and returns the files.
func certificate(t *testing.T) (certFile, keyFile string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(24 * time.Hour), DNSNames: []string{"localhost"}}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	certFile, keyFile = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	for path, block := range map[string]*pem.Block{certFile: {Type: "CERTIFICATE", Bytes: der}, keyFile: {Type: "PRIVATE KEY", Bytes: private}} {
		if err := os.WriteFile(path, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return certFile, keyFile
}

// kept is how many lines of the log a failure shows.
const kept = 60

func (s *server) follow(out io.Reader) {
	lines := bufio.NewScanner(out)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		s.mu.Lock()
		s.log = append(s.log, lines.Text())
		if len(s.log) > kept && !s.all {
			s.log = s.log[len(s.log)-kept:]
		}
		s.mu.Unlock()
	}
	_ = s.cmd.Wait()
	close(s.done)
}

func (s *server) lines() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return strings.Join(s.log, "\n")
}

func (s *server) said(what string) bool { return strings.Contains(s.lines(), what) }

// end stops the server, which must end by itself and leave no child.
func (s *server) end(t *testing.T) {
	pids := s.children()
	_ = s.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-s.done:
		if code := s.cmd.ProcessState.ExitCode(); code != 0 {
			t.Errorf("girin ended with %d", code)
		}
	case <-time.After(limit):
		t.Error("girin did not end on TERM")
		_ = s.cmd.Process.Kill()
		<-s.done
	}
	for _, pid := range pids {
		if _, err := os.Stat(fmt.Sprintf("/proc/%d", pid)); err == nil {
			t.Errorf("its worker %d lives on", pid)
		}
	}
	if strings.Contains(s.lines(), "DATA RACE") || strings.Contains(s.lines(), "panic:") || t.Failed() {
		t.Errorf("the end of its log:\n%s", s.lines())
	}
}

// children are its worker processes.
func (s *server) children() (pids []int) {
	b, _ := os.ReadFile(fmt.Sprintf("/proc/%d/task/%[1]d/children", s.cmd.Process.Pid))
	tasks, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", s.cmd.Process.Pid))
	for _, path := range tasks {
		more, _ := os.ReadFile(path)
		b = append(append(b, ' '), more...)
	}
	seen := map[string]bool{}
	for _, text := range strings.Fields(string(b)) {
		if pid, err := strconv.Atoi(text); err == nil && !seen[text] {
			seen[text] = true
			pids = append(pids, pid)
		}
	}
	return pids
}

func (s *server) held() held {
	pid := s.cmd.Process.Pid
	h := held{figures: map[string]float64{}}
	fds, _ := os.ReadDir(fmt.Sprintf("/proc/%d/fd", pid))
	h.descriptors = len(fds)
	for _, fd := range fds {
		if to, err := os.Readlink(fmt.Sprintf("/proc/%d/fd/%s", pid, fd.Name())); err == nil && strings.HasPrefix(to, os.TempDir()) && strings.Contains(to, "(deleted)") {
			h.spooled++
		}
	}
	for _, child := range s.children() {
		tasks, _ := os.ReadDir(fmt.Sprintf("/proc/%d/task", child))
		h.threads += len(tasks)
		h.busiest = max(h.busiest, len(tasks))
	}
	if m := regexp.MustCompile(`(?m)^go_goroutines (\d+)`).FindStringSubmatch(s.scrape()); m != nil {
		h.goroutines, _ = strconv.Atoi(m[1])
	}
	s.count(h.figures)
	return h
}

// count takes from girin ctl status what is held for requests: all must come back to
// what it was.
func (s *server) count(figures map[string]float64) {
	cmd := exec.Command(s.path, "ctl", "status", "--json", "--pid", strconv.Itoa(s.cmd.Process.Pid))
	cmd.Env = append(os.Environ(), "GIRIN_RUNTIME_DIR="+s.dir)
	out, err := cmd.Output()
	var status map[string]any
	if err == nil {
		err = json.Unmarshal(out, &status)
	}
	if err != nil {
		return // it is asked again; in the end all figures must have been there
	}
	figures["connections"], _ = status["connections"].(float64)
	for part, names := range map[string][]string{
		"held":  {"files", "answers", "heads", "bodies", "messages", "spool_files", "spool_bytes"},
		"sched": {"in_flight", "calls", "sockets", "cells", "spools", "blocks", "arena", "held", "queued"},
	} {
		of, _ := status[part].(map[string]any)
		for _, name := range names {
			if n, ok := of[name].(float64); ok {
				figures[part+"."+name] = n
			}
		}
	}
}

// figureCount is how many figures count finds.
const figureCount = 1 + 7 + 9

func (s *server) scrape() string {
	res, err := (&http.Client{Timeout: 10 * time.Second}).Get("http://" + s.metrics + "/metrics")
	if err != nil {
		return ""
	}
	defer res.Body.Close()
	b, _ := io.ReadAll(res.Body)
	return string(b)
}

func until(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for end := time.Now().Add(limit); !holds(); time.Sleep(500 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("not after %v: %s", limit, what)
		}
	}
}
