package proc

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// role, in the environment, makes the test binary one of the processes that
// the tests start (see roles).
const role = "PROC_TEST_ROLE"

// What is locked to its thread while a program is initialised stays on the first.
func init() {
	if os.Getenv(role) == "first thread" {
		runtime.LockOSThread()
	}
}

func TestMain(m *testing.M) {
	if name := os.Getenv(role); name != "" {
		roles[name]()
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// roles are what a started process does. It says "ready" on its standard
// output when it has come so far.
var roles = map[string]func(){
	"exit":  func() { exitWith(os.Args[1]) },
	"sleep": func() { say("ready"); sleep() },
	"polite": func() {
		terminated := make(chan os.Signal, 1)
		signal.Notify(terminated, syscall.SIGTERM)
		say("ready")
		<-terminated
		os.Exit(7)
	},
	"stubborn": func() {
		signal.Ignore(syscall.SIGTERM)
		say("ready")
		sleep()
	},
	// family starts a child of its own, in its group, and tells its pid.
	"family": func() {
		child := exec.Command(os.Args[0])
		child.Env = environ("silent")
		if err := child.Start(); err != nil {
			panic(err)
		}
		say(strconv.Itoa(child.Process.Pid))
		sleep()
	},
	"silent": sleep,
	// master starts a child with a Starter, as the server does, and tells its pid.
	"master": func() {
		s := NewStarter()
		p, err := s.Start(Spec{Path: os.Args[0], Env: environ("silent")})
		if err != nil {
			panic(err)
		}
		say(strconv.Itoa(p.PID()))
		sleep()
	},
	// first thread runs a Starter's goroutine there, and tells how its child ends.
	"first thread": func() {
		s := newStarter()
		go func() {
			p, err := s.Start(Spec{Path: os.Args[0], Env: environ("silent")})
			if err != nil {
				panic(err)
			}
			s.Close()
			<-p.Done()
			say(p.Signalled().String())
			os.Exit(0)
		}()
		s.run()
		sleep()
	},
	"compute": func() {
		for n := 1; n != 0; n += 2 { // an odd number is never 0
		}
	},
	"describe": func() {
		dir, err := os.Getwd()
		if err != nil {
			panic(err)
		}
		inherited, err := io.ReadAll(os.NewFile(3, "inherited"))
		if err != nil {
			panic(err)
		}
		fmt.Fprintln(os.Stderr, "to stderr")
		say(strings.Join([]string{dir, string(inherited), strings.Join(os.Args[1:], " "), strconv.FormatBool(syscall.Getpgrp() == os.Getpid())}, "|"))
	},
}

// environ makes the test binary a process of that role. The race detector's
// pause at the end is left out.
func environ(name string) []string { return []string{role + "=" + name, "GORACE=atexit_sleep_ms=0"} }

func say(text string) { fmt.Println(text) }

// sleep outlasts every test.
func sleep() {
	time.Sleep(time.Hour)
	os.Exit(0)
}

func exitWith(text string) {
	n, err := strconv.Atoi(text)
	if err != nil {
		panic(err)
	}
	os.Exit(n)
}

// child is a started process of a role and what it says.
type child struct {
	*Process
	out *bufio.Scanner
}

func start1(t *testing.T, name string, args ...string) *child {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	s := NewStarter()
	t.Cleanup(s.Close)
	p, err := s.Start(Spec{Path: os.Args[0], Args: args, Env: environ(name), Out: w})
	w.Close()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Kill(); <-p.Done(); r.Close() })
	return &child{p, bufio.NewScanner(r)}
}

// line waits for the child's next line.
func (c *child) line(t *testing.T) string {
	t.Helper()
	if !c.out.Scan() {
		t.Fatalf("the child said nothing: %v", c.out.Err())
	}
	return c.out.Text()
}

func (c *child) pid(t *testing.T) int {
	t.Helper()
	pid, err := strconv.Atoi(c.line(t))
	if err != nil {
		t.Fatal(err)
	}
	return pid
}

// waitGone waits until a process that is not our child has ended.
func waitGone(t *testing.T, pid int, limit time.Duration) {
	t.Helper()
	fd, err := pidfdOpen(pid)
	if errors.Is(err, syscall.ESRCH) {
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	defer syscall.Close(fd)
	if !readable(fd, limit) {
		_ = syscall.Kill(pid, syscall.SIGKILL)
		t.Errorf("process %d lives after %v", pid, limit)
	}
}

func TestHowAProcessEnded(t *testing.T) {
	tests := map[string]struct {
		role   string
		args   []string
		end    func(c *child) error
		code   int
		signal syscall.Signal
	}{
		"exit 0":              {role: "exit", args: []string{"0"}},
		"exit 3":              {role: "exit", args: []string{"3"}, code: 3},
		"SIGKILL":             {role: "sleep", end: func(c *child) error { return c.Signal(syscall.SIGKILL) }, code: -1, signal: syscall.SIGKILL},
		"SIGSTOP and SIGKILL": {role: "sleep", end: func(c *child) error { return errors.Join(c.Signal(syscall.SIGSTOP), c.Signal(syscall.SIGKILL)) }, code: -1, signal: syscall.SIGKILL},
		"SIGTERM":             {role: "polite", end: func(c *child) error { return c.Signal(syscall.SIGTERM) }, code: 7},
		"its group":           {role: "sleep", end: func(c *child) error { c.Kill(); return nil }, code: -1, signal: syscall.SIGKILL},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			c := start1(t, test.role, test.args...)
			if test.end != nil {
				if got := c.line(t); got != "ready" {
					t.Fatalf("it says %q", got)
				}
				if err := test.end(c); err != nil {
					t.Fatal(err)
				}
			}
			<-c.Done()
			if c.ExitCode() != test.code || c.Signalled() != test.signal {
				t.Errorf("exit code %d, signal %v; want %d, %v", c.ExitCode(), c.Signalled(), test.code, test.signal)
			}
			if clean := c.Err() == nil; clean != (test.code == 0) {
				t.Errorf("error %v", c.Err())
			}
		})
	}
}

func TestStop(t *testing.T) {
	t.Run("ends within its grace", func(t *testing.T) {
		c := start1(t, "polite")
		c.line(t)
		if err := c.Signal(syscall.SIGTERM); err != nil {
			t.Fatal(err)
		}
		if c.Stop(time.Minute) {
			t.Error("it was killed")
		}
		if c.ExitCode() != 7 {
			t.Errorf("exit code %d", c.ExitCode())
		}
	})
	t.Run("is killed after its grace", func(t *testing.T) {
		c := start1(t, "stubborn")
		c.line(t)
		if err := c.Signal(syscall.SIGTERM); err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		const grace = 50 * time.Millisecond
		if !c.Stop(grace) || time.Since(began) < grace {
			t.Errorf("it ended by itself, after %v", time.Since(began))
		}
		if c.Signalled() != syscall.SIGKILL {
			t.Errorf("signal %v", c.Signalled())
		}
	})
	t.Run("has ended already", func(t *testing.T) {
		c := start1(t, "exit", "0")
		<-c.Done()
		if c.Stop(time.Minute) {
			t.Error("it was killed")
		}
	})
}

func TestKillEndsTheWholeGroup(t *testing.T) {
	c := start1(t, "family")
	grandchild := c.pid(t)
	c.Kill()
	<-c.Done()
	waitGone(t, grandchild, 5*time.Second)
}

// What a process leaves behind in its group ends when it is killed, also when
// the process itself has ended.
func TestKillAfterTheEndReachesTheGroup(t *testing.T) {
	c := start1(t, "family")
	grandchild := c.pid(t)
	if err := c.Signal(syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	<-c.Done()
	if err := syscall.Kill(grandchild, 0); err != nil {
		t.Fatalf("the grandchild has gone with its parent: %v", err)
	}
	c.Kill()
	waitGone(t, grandchild, 5*time.Second)
}

func TestChildrenEndWithAKilledMaster(t *testing.T) {
	c := start1(t, "master")
	orphan := c.pid(t)
	if err := c.Signal(syscall.SIGKILL); err != nil { // it alone, not its group
		t.Fatal(err)
	}
	<-c.Done()
	waitGone(t, orphan, time.Second)
}

// The parent-death signal is sent when the thread that forked ends: the
// Starter's.
func TestCloseEndsWhatWasStarted(t *testing.T) {
	s := NewStarter()
	var all []*Process
	for range 3 {
		p, err := s.Start(Spec{Path: os.Args[0], Env: environ("silent")})
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, p)
	}
	s.Close()
	for _, p := range all {
		<-p.Done()
		if p.Signalled() != syscall.SIGKILL {
			t.Errorf("signal %v", p.Signalled())
		}
	}
}

func TestCloseEndsWhatWasStartedFromTheFirstThread(t *testing.T) {
	if said := start1(t, "first thread").line(t); said != "killed" {
		t.Errorf("the child's end: %s", said)
	}
}

func TestWhatAProcessInherits(t *testing.T) {
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	given := filepath.Join(dir, "given")
	if err := os.WriteFile(given, []byte("descriptor 3"), 0o600); err != nil {
		t.Fatal(err)
	}
	file, err := os.Open(given)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	var outs [2]*os.File
	for i := range outs {
		if outs[i], err = os.Create(filepath.Join(dir, strconv.Itoa(i))); err != nil {
			t.Fatal(err)
		}
		defer outs[i].Close()
	}
	s := NewStarter()
	defer s.Close()
	p, err := s.Start(Spec{
		Path: os.Args[0], Args: []string{"a", "b c"}, Dir: dir, Files: []*os.File{file},
		Env: environ("describe"), Out: outs[0], Err: outs[1],
	})
	if err != nil {
		t.Fatal(err)
	}
	<-p.Done()
	if p.Err() != nil {
		t.Fatal(p.Err())
	}
	for i, want := range []string{dir + "|descriptor 3|a b c|true\n", "to stderr\n"} {
		if got, err := os.ReadFile(outs[i].Name()); err != nil || string(got) != want {
			t.Errorf("output %d is %q, %v; want %q", i+1, got, err, want)
		}
	}
}

func TestWhatCannotBeStarted(t *testing.T) {
	s := NewStarter()
	defer s.Close()
	for name, spec := range map[string]Spec{
		"no such file":      {Path: "/no/such/file"},
		"no such directory": {Path: os.Args[0], Dir: "/no/such/directory"},
		"no program":        {Path: os.TempDir()},
	} {
		if p, err := s.Start(spec); err == nil || p != nil || !strings.Contains(err.Error(), spec.Path) {
			t.Errorf("%s: %v, %v", name, p, err)
		}
	}
}
