package e2e_test

import (
	"bufio"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// People who wait for the ends of their jobs, or watch them, keep nobody out of the queue of
// requests, however many they are.
func TestThoseWhoWatchJobsKeepNobodyOut(t *testing.T) {
	j := startJobs(t, 1, "--offload", "/both/*,both", "--threads", "2", "--queue-size", "8") // fewer than who watch, more than who is on the way to it
	j.offload(t, "both")
	gate := filepath.Join(j.dir, "gate")
	job := j.accept(t, "GET", "/both/until?one&"+gate, nil)
	j.await(t, "begin one")
	var polls []<-chan answer
	for range 10 {
		polls = append(polls, j.front.ask("GET", job.URL, nil, "Prefer", "wait=25"))
		c, err := net.Dial("tcp", j.front.addr)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		_, _ = c.Write([]byte("GET " + job.URL + " HTTP/1.1\r\nHost: x\r\nAccept: text/event-stream\r\n\r\n"))
		_ = c.SetReadDeadline(time.Now().Add(limit))
		if line, err := bufio.NewReader(c).ReadString('\n'); err != nil || !strings.Contains(line, " 200 ") {
			t.Fatalf("who watches gets %q, %v", line, err)
		}
	}
	if a := <-j.front.ask("GET", "/other?one", nil); a.status != 200 {
		t.Errorf("a request that has nothing to do with it: %+v", a)
	}
	open(t, gate)
	for _, poll := range polls {
		if a := <-poll; a.status != 303 {
			t.Errorf("who waits: %+v", a)
		}
	}
	eventually(t, "nobody waits any more", func() bool { return j.inFlight(t) <= 10 })
	if a := <-j.front.ask("GET", "/other?two", nil); a.status != 200 {
		t.Errorf("afterwards: %+v", a)
	}
}

// A key that everybody on the machine can read is one that everybody may use.
func TestKeysThatOthersCanReadAreNamed(t *testing.T) {
	dir := t.TempDir()
	key := filepath.Join(dir, "key")
	if _, fault, code := ctl(t, dir, "offload", "keygen", key); code != 0 {
		t.Fatal(fault)
	}
	for mode, want := range map[os.FileMode]bool{0o600: false, 0o640: false, 0o644: true} {
		if err := os.Chmod(key, mode); err != nil {
			t.Fatal(err)
		}
		s := startApp(t, "jobs", options{args: []string{"--offload", "/job/*", "--offload-dir", filepath.Join(dir, "store"), "--offload-key", key, "--offload-listen", "127.0.0.1:0"}})
		if said := strings.Contains(s.log(), "all users of this machine can read "+key); said != want {
			t.Errorf("with mode %o it is said: %v", mode, said)
		}
		_ = s.end(t, os.Interrupt)
	}
}
