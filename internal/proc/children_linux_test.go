package proc

import (
	"errors"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"
)

func newTestStarter(t *testing.T) *Starter {
	t.Helper()
	s := NewStarter()
	t.Cleanup(s.Close)
	return s
}

func startSilent(t *testing.T, s *Starter) *Process {
	t.Helper()
	p, err := s.Start(Spec{Path: os.Args[0], Env: environ("silent")})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Kill(); <-p.Done() })
	return p
}

// Each end is known to whoever waits for it, while orphans are reaped: the
// reaper took a configuration's Python, which failed with "no child processes".
func TestTheReaperTakesNothingThatSomebodyWaitsFor(t *testing.T) {
	s := newTestStarter(t)
	defer s.Reap()()
	for range 100 {
		cmd := exec.Command(os.Args[0], "3")
		cmd.Env = environ("exit")
		var exit *exec.ExitError
		if err := s.Run(cmd); !errors.As(err, &exit) || exit.ExitCode() != 3 {
			t.Fatalf("a command ended with %v", err)
		}
		p, err := s.Start(Spec{Path: os.Args[0], Args: []string{"4"}, Env: environ("exit")})
		if err != nil {
			t.Fatal(err)
		}
		if <-p.Done(); p.ExitCode() != 4 {
			t.Fatalf("a process ended with %v", p.Err())
		}
	}
}

func TestOrphansAreReapedBehindAProcessOfOurs(t *testing.T) {
	if err := AdoptOrphans(); err != nil {
		t.Fatal(err)
	}
	s := newTestStarter(t)
	defer s.Reap()()
	parent := start1(t, "family")
	orphan := parent.pid(t)
	if err := parent.Signal(os.Kill); err != nil {
		t.Fatal(err)
	}
	<-parent.Done()
	if !isChild(orphan) {
		t.Fatalf("process %d was not adopted", orphan)
	}
	parent.Kill() // its group: the orphan
	for late := time.Now().Add(5 * time.Second); isChild(orphan); time.Sleep(time.Millisecond) {
		if time.Now().After(late) {
			t.Fatal("the orphan is not reaped")
		}
	}
}

func TestOnlyAChildOfOursIsAdopted(t *testing.T) {
	s := newTestStarter(t)
	ours := startSilent(t, s)
	for name, pid := range map[string]int{
		"init": 1, "none": 0, "negative": -1, "its parent": os.Getppid(), "itself": os.Getpid(), "one that is somebody's": ours.PID(),
	} {
		p, err := s.Adopt(func() (int, error) { return pid, nil })
		if err == nil || p != nil || !strings.Contains(err.Error(), "no child that can be adopted") {
			t.Errorf("%s (%d) is adopted: %v", name, pid, err)
		}
	}
	select {
	case <-ours.Done():
		t.Error("a process of ours was ended")
	default:
	}
}

// A fork takes as long as the process wants that makes it: nothing else waits.
func TestNothingWaitsForAForkThatHangs(t *testing.T) {
	s := newTestStarter(t)
	release, forking, forked := make(chan struct{}), make(chan struct{}), make(chan error, 1)
	go func() {
		_, err := s.Adopt(func() (int, error) { close(forking); <-release; return 0, errors.New("it hung") })
		forked <- err
	}()
	<-forking
	started := make(chan struct{})
	go func() { defer close(started); p := startSilent(t, s); p.Kill(); <-p.Done() }()
	select {
	case <-started:
	case <-time.After(10 * time.Second):
		t.Fatal("a start waits for another's fork")
	}
	close(release)
	if err := <-forked; err == nil || err.Error() != "it hung" {
		t.Error(err)
	}
}

func TestNothingIsStartedAfterClose(t *testing.T) {
	s := NewStarter()
	s.Close()
	s.Close()
	if _, err := s.Start(Spec{Path: os.Args[0]}); !errors.Is(err, ErrClosed) {
		t.Error(err)
	}
}
