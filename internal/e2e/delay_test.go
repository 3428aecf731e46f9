package e2e_test

import (
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"
)

// status asks for a path on a new connection, and reports the answer and whether
// the connection ends with it.
func (s *server) status(t *testing.T, path string) (status int, last bool) {
	t.Helper()
	client := &http.Client{Timeout: limit, Transport: &http.Transport{}}
	defer client.CloseIdleConnections()
	res, err := client.Get("http://" + s.addr + path)
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	return res.StatusCode, res.Close
}

// With --shutdown-delay a balancer that asks for readiness learns that the server
// ends before it refuses anybody.
func TestShutdownDelay(t *testing.T) {
	s := start(t, options{args: []string{
		"--shutdown-delay", "1", "--health-check-path", "/ready", "--liveness-check-path", "/live", "--graceful-timeout", "5",
	}})
	for _, path := range []string{"/ready", "/live", "/"} {
		if status, last := s.status(t, path); status != 200 || last {
			t.Errorf("%s before: %d, last %v", path, status, last)
		}
	}
	began := time.Now()
	signal(t, s, syscall.SIGTERM)
	s.wait(t, "The server serves for 1s more")
	for path, want := range map[string]int{"/ready": 503, "/live": 200, "/": 200} {
		if status, last := s.status(t, path); status != want || !last {
			t.Errorf("%s meanwhile: %d, last %v; want %d", path, status, last, want)
		}
	}
	<-s.done
	if d := time.Since(began); d < time.Second || d > 4*time.Second || s.err != nil {
		t.Errorf("it ended after %v with %v", d, s.err)
	}
}

func TestASecondSignalCutsTheShutdownDelayShort(t *testing.T) {
	s := start(t, options{args: []string{"--shutdown-delay", "60"}})
	signal(t, s, syscall.SIGTERM)
	s.wait(t, "The server serves for 1m0s more")
	began := time.Now()
	_ = s.end(t, syscall.SIGINT)
	if d := time.Since(began); d > 2*time.Second {
		t.Errorf("it ended after %v:\n%s", d, strings.TrimSpace(s.log()))
	}
}
