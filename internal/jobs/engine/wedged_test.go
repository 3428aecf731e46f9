package engine

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"
)

// What a stranger sends stands in the log, and does not pass for the engine's own word that it
// cannot write any more: that starts it anew.
func TestAStrangerDoesNotStartTheEngineAnew(t *testing.T) {
	var said bytes.Buffer
	log := &natsLog{to: &said, wedged: make(chan struct{})}
	s, err := start(Settings{Listen: "127.0.0.1:0", Dir: t.TempDir()}, log)
	if err != nil {
		t.Fatal(err)
	}
	c, err := net.DialTimeout("tcp", s.Addr().String(), 5*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	_ = c.SetDeadline(time.Now().Add(10 * time.Second))
	fmt.Fprint(c, "C critical write error\r\n\r\n\r\n")
	_, _ = io.Copy(io.Discard, c) // until it is sent away
	_ = c.Close()
	s.Shutdown()
	s.WaitForShutdown()
	if !strings.Contains(said.String(), "critical write error") {
		t.Errorf("it does not stand in the log: %s", said.String())
	}
	select {
	case <-log.wedged:
		t.Errorf("it ends for %s", said.String())
	default:
	}
	log.Errorf("JetStream stream '%s > %s' critical write error: %v", "a", "b", io.ErrShortWrite)
	select {
	case <-log.wedged:
	default:
		t.Error("its own word is not heard")
	}
}

// An engine that cannot have its port ends at once: the next one may.
func TestAnEngineWithoutItsPortEnds(t *testing.T) {
	other, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	var said bytes.Buffer
	began := time.Now()
	s, err := start(Settings{Listen: other.Addr().String(), Dir: t.TempDir()}, &natsLog{to: &said, wedged: make(chan struct{})})
	if err == nil {
		s.Shutdown()
		t.Fatal("it has another's port")
	}
	if took := time.Since(began); took > startLimit/2 || !strings.Contains(said.String(), other.Addr().String()) {
		t.Errorf("after %v: %s", took, said.String())
	}
}

// After a death the engine says once that it looks through what is stored, and not what it finds
// outdated; what else it says of that is passed on.
func TestOutdatedIndicesAreSaidOnce(t *testing.T) {
	var said bytes.Buffer
	log := &natsLog{to: &said, wedged: make(chan struct{})}
	for _, stream := range []string{"JOBS", "TIMER", "KV_jobs"} {
		log.Warnf("Filestore [%s] Stream state outdated, last block has additional entries, will rebuild", stream)
		log.Warnf("Filestore [%s] Recovering stream state from index errored: %v", stream, "prior state file")
		log.Warnf("Filestore [%s] TTL state is outdated; attempting to recover using linear scan (seq %d to %d)", stream, 65, 66)
	}
	log.Warnf("Filestore [JOBS] error reading block %d: checksum mismatch", 3)
	if lines := strings.Split(strings.TrimSpace(said.String()), "\n"); len(lines) != 2 || !strings.Contains(lines[0], "looked through") || !strings.Contains(lines[1], "checksum") {
		t.Errorf("%q", lines)
	}
}
