package sidecar

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"girin/internal/proc"
)

// limit is how long anything may take here.
const limit = 30 * time.Second

// TestMain makes the test binary a guard, or a server that is killed.
func TestMain(m *testing.M) {
	os.Setenv("GORACE", "atexit_sleep_ms=0") // of guards: their end is waited for
	if len(os.Args) > 2 {
		switch os.Args[1] {
		case GuardCommand:
			os.Exit(Guard(os.Args[2:]))
		case "server":
			serveUntilKilled(os.Args[2:])
		}
	}
	os.Exit(m.Run())
}

func testConfig(log Log) Config {
	return Config{
		Starter: proc.NewStarter(), Guard: []string{os.Args[0], GuardCommand}, Log: log, Grace: limit,
		Pauses: []time.Duration{time.Millisecond},
	}
}

// book is a log that tests read.
type book struct {
	mu    sync.Mutex
	lines []string      // guarded by mu
	more  chan struct{} // guarded by mu: closed by the next line
}

func newBook() *book { return &book{more: make(chan struct{})} }

func (b *book) add(line string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.lines = append(b.lines, line)
	close(b.more)
	b.more = make(chan struct{})
}

func (b *book) Infof(f string, args ...any)    { b.add("INFO " + fmt.Sprintf(f, args...)) }
func (b *book) Warningf(f string, args ...any) { b.add("WARNING " + fmt.Sprintf(f, args...)) }
func (b *book) Errorf(f string, args ...any)   { b.add("ERROR " + fmt.Sprintf(f, args...)) }
func (b *book) Line(name string, _ int, text string) {
	b.add(name + ": " + text)
}

// wait waits for the nth line that holds what, from 1 on.
func (b *book) wait(t *testing.T, what string, nth int) string {
	t.Helper()
	for late := time.After(limit); ; {
		b.mu.Lock()
		lines, more := b.lines, b.more
		b.mu.Unlock()
		n := 0
		for _, line := range lines {
			if strings.Contains(line, what) {
				if n++; n == nth {
					return line
				}
			}
		}
		select {
		case <-more:
		case <-late:
			t.Fatalf("the log has not %d lines with %q:\n%s", nth, what, strings.Join(lines, "\n"))
		}
	}
}

func (b *book) text() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return strings.Join(b.lines, "\n")
}

func startGroup(t *testing.T, commands ...Command) (*Group, *book) {
	t.Helper()
	b := newBook()
	c := testConfig(b)
	g := New(c)
	g.Start()
	t.Cleanup(func() {
		g.Kill()
		g.Close()
		c.Starter.Close()
	})
	g.Keep(commands)
	return g, b
}

func shell(name, script string) Command {
	return Command{Name: name, Args: []string{"sh", "-c", script}, Env: os.Environ()}
}

func alive(pid int) bool {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	return err == nil && !strings.Contains(string(b), ") Z ")
}

func ended(t *testing.T, pid int) {
	t.Helper()
	for late := time.Now().Add(limit); alive(pid); time.Sleep(time.Millisecond) {
		if time.Now().After(late) {
			t.Fatalf("process %d lives", pid)
		}
	}
}

// number is the last word of a line.
func number(t *testing.T, line string) int {
	t.Helper()
	words := strings.Fields(line)
	n, err := strconv.Atoi(words[len(words)-1])
	if err != nil {
		t.Fatalf("%s: %v", line, err)
	}
	return n
}

func TestWhatACommandPrintsIsPassedOnWithItsName(t *testing.T) {
	_, b := startGroup(t, shell("one", `echo out; echo; echo fault >&2; printf "%0100000d\n" 7; printf last; exec sleep 600`))
	for _, line := range []string{"one: out", "one: fault", "one: 000", "0007"} {
		b.wait(t, line, 1)
	}
	if strings.Contains(b.text(), "one: \n") {
		t.Error("an empty line is passed on")
	}
}

func TestTheLastWordsOfACommandAreHeard(t *testing.T) {
	_, b := startGroup(t, shell("one", `printf "no newline"; exit 3`))
	b.wait(t, "one: no newline", 1)
	b.wait(t, "ERROR Sidecar one ended with exit code 3 after", 1)
}

func TestACommandThatEndsIsStartedAgain(t *testing.T) {
	g, b := startGroup(t, shell("falls", "exit 0"), shell("killed", "kill -USR1 $$; sleep 600"), shell("stands", "echo up; exec sleep 600"))
	b.wait(t, "Sidecar falls ended with exit code 0", 4)
	b.wait(t, "Sidecar killed ended with the signal SIGUSR1", 4)
	b.wait(t, "stands: up", 1)
	b.wait(t, "Sidecar stands runs", 1)
	for _, s := range g.Status() {
		if s.Name == "stands" && (s.Starts != 1 || s.State != "running" || !alive(s.PID)) || s.Name != "stands" && s.Starts < 4 {
			t.Errorf("%+v", s)
		}
	}
}

func TestPausesGrowWithQuickEnds(t *testing.T) {
	b := newBook()
	c := testConfig(b)
	c.Pauses = []time.Duration{time.Millisecond, 20 * time.Millisecond, time.Hour}
	g := New(c)
	g.Start()
	g.Keep([]Command{shell("falls", "exit 1")})
	for _, pause := range []string{"again in 0s", "again in 20ms", "again in 1h0m0s"} {
		b.wait(t, pause, 1)
	}
	g.Close() // which no pause keeps up
	c.Starter.Close()
	if n := strings.Count(b.text(), "ended with exit code 1"); n != 3 {
		t.Errorf("it was started %d times", n)
	}
}

func TestACommandThatIsNotThereIsSaid(t *testing.T) {
	_, b := startGroup(t, Command{Name: "none", Args: []string{"no-such-command", "x"}, Env: os.Environ()}, shell("stands", "echo up; exec sleep 600"))
	if line := b.wait(t, "Sidecar none could not be started", 2); !strings.Contains(line, "no-such-command") {
		t.Error(line)
	}
	b.wait(t, "stands: up", 1)
}

func TestACommandHasItsEnvironmentAndDirectory(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "own-command"), []byte("#!/bin/sh\necho \"$0 $MARK $(pwd)\"\nexec sleep 600\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	_, b := startGroup(t, Command{Name: "own", Args: []string{"own-command"}, Dir: dir, Env: []string{"MARK=7", "PATH=" + dir + ":" + os.Getenv("PATH")}})
	b.wait(t, "own: "+filepath.Join(dir, "own-command")+" 7 "+dir, 1)
}

// A shell in a pipeline ends by SIGPIPE, which the server itself ignores.
func TestACommandIsEndedBySIGPIPE(t *testing.T) {
	_, b := startGroup(t, shell("yes", `(yes; echo "yes has ended: $?" >&2) | head -1; exec sleep 600`))
	b.wait(t, "yes: yes has ended: 141", 1)
}

func TestEndAsksAndThenKills(t *testing.T) {
	g, b := startGroup(t,
		shell("polite", `trap 'echo bye; exit 0' TERM; echo up; while :; do sleep 0.01; done`),
		shell("stubborn", `trap '' TERM; echo up; while :; do sleep 0.01; done`))
	b.wait(t, ": up", 2)
	began := time.Now()
	const grace = 2 * time.Second // in which the polite one must have ended
	g.End(began.Add(grace))
	g.Close()
	if d := time.Since(began); d < grace || d > grace+10*time.Second {
		t.Errorf("it took %v", d)
	}
	for _, line := range []string{"polite: bye", "INFO Sidecar polite ended with exit code 0", "WARNING Sidecar stubborn has not ended in time", "INFO Sidecar stubborn was killed"} {
		b.wait(t, line, 1)
	}
}

func TestKillCutsShortWhatEndWaitsFor(t *testing.T) {
	g, b := startGroup(t, shell("stubborn", `trap '' TERM; echo up; while :; do sleep 0.01; done`))
	b.wait(t, ": up", 1)
	g.End(time.Now().Add(time.Hour))
	g.Kill()
	began := time.Now()
	g.Close()
	if d := time.Since(began); d > 10*time.Second {
		t.Errorf("it took %v", d)
	}
}

func TestTheNextBeginsWhenTheOneBeforeHasEnded(t *testing.T) {
	file := filepath.Join(t.TempDir(), "running")
	script := `trap 'sleep 0.05; rm ` + file + `; exit 0' TERM; [ -e ` + file + ` ] && echo "two at once"; >` + file + `; echo up; while :; do sleep 0.01; done`
	g, b := startGroup(t, shell("one", script))
	b.wait(t, "one: up", 1)
	g.Keep([]Command{shell("two", script)})
	b.wait(t, "two: up", 1)
	g.Keep(nil)
	b.wait(t, "Sidecar two ended with exit code 0", 1)
	if strings.Contains(b.text(), "two at once") {
		t.Error(b.text())
	}
	for late := time.Now().Add(limit); len(g.Status()) > 0; time.Sleep(time.Millisecond) {
		if time.Now().After(late) {
			t.Fatalf("%+v", g.Status())
		}
	}
}

func TestAReplacementIsCutShortByTheEnd(t *testing.T) {
	g, b := startGroup(t, shell("stubborn", `trap '' TERM; echo up; while :; do sleep 0.01; done`))
	b.wait(t, ": up", 1)
	g.Keep([]Command{shell("next", "echo next; exec sleep 600")})
	g.End(time.Now().Add(100 * time.Millisecond))
	g.Close()
	if strings.Contains(b.text(), "next: next") {
		t.Error("it was started after the end")
	}
}

// leaves starts processes that leave their group and their parent, and tells of them.
const leaves = `
setsid sh -c 'echo session $$; exec sleep 600' &
(setsid sh -c 'echo orphan $$; exec sleep 600' &) &
sleep 600 & echo child $!
echo self $$
`

func family(t *testing.T, b *book) (pids []int) {
	t.Helper()
	for _, what := range []string{"session", "orphan", "child", "self"} {
		pids = append(pids, number(t, b.wait(t, "parent: "+what+" ", 1)))
	}
	return pids
}

func TestNothingOfACommandIsLeft(t *testing.T) {
	for name, end := range map[string]func(g *Group, self int){
		"it is ended":    func(g *Group, _ int) { g.End(time.Now()) },
		"it is killed":   func(g *Group, _ int) { g.Kill() },
		"it has ended":   func(_ *Group, self int) { _ = syscall.Kill(self, syscall.SIGKILL) },
		"it is replaced": func(g *Group, _ int) { g.Keep(nil) },
	} {
		t.Run(name, func(t *testing.T) {
			g, b := startGroup(t, shell("parent", leaves+"wait"))
			pids := family(t, b)
			end(g, pids[3])
			for _, pid := range pids {
				ended(t, pid)
			}
		})
	}
}

func TestACommandWhoseGuardIsKilledIsStartedAgain(t *testing.T) {
	_, b := startGroup(t, shell("one", `echo guard $PPID; sleep 600 & echo child $!; wait`))
	child := number(t, b.wait(t, "one: child ", 1))
	guard := number(t, b.wait(t, "one: guard ", 1))
	b.wait(t, "Sidecar one runs", 1)
	if err := syscall.Kill(guard, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	ended(t, child)
	b.wait(t, "one: guard ", 2)
}

// serveUntilKilled is a server whose command prints to its standard output.
func serveUntilKilled(script []string) {
	c := testConfig(printer{})
	g := New(c)
	g.Start()
	g.Keep([]Command{shell("parent", script[0])})
	select {}
}

type printer struct{}

func (printer) Infof(string, ...any)    {}
func (printer) Warningf(string, ...any) {}
func (printer) Errorf(string, ...any)   {}
func (printer) Line(name string, _ int, text string) {
	fmt.Println(name + ": " + text)
}

func TestNothingOfACommandOutlivesAServerThatIsKilled(t *testing.T) {
	cmd := exec.Command(os.Args[0], "server", leaves+"wait")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	b := newBook()
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	go func() { // until the pipe has ended
		for buffer := make([]byte, 4096); ; {
			n, err := out.Read(buffer)
			for line := range strings.Lines(string(buffer[:n])) {
				b.add(strings.TrimSpace(line)) // each was written at once
			}
			if err != nil {
				return
			}
		}
	}()
	pids := family(t, b)
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	for _, pid := range pids {
		ended(t, pid)
	}
}

func TestStartsAreCountedByName(t *testing.T) {
	g, b := startGroup(t, shell("one", "echo up; exec sleep 600"))
	b.wait(t, "one: up", 1)
	g.Keep([]Command{shell("one", "echo up; exec sleep 600"), shell("two", "echo up; exec sleep 600")})
	b.wait(t, "one: up", 2)
	b.wait(t, "two: up", 1)
	for _, s := range g.Status() {
		if want := map[string]int{"one": 2, "two": 1}[s.Name]; s.Starts != want {
			t.Errorf("%+v", s)
		}
	}
}

// A service manager may send TERM to every process: a second one makes some commands
// drop what they do.
func TestACommandGetsOneTermWhateverItsGuardGets(t *testing.T) {
	g, b := startGroup(t, shell("one", `trap 'echo term' TERM; echo guard $PPID; while :; do sleep 0.01; done`))
	guard := number(t, b.wait(t, "one: guard ", 1))
	b.wait(t, "Sidecar one runs", 1)
	for _, sig := range []syscall.Signal{syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP, syscall.SIGQUIT, syscall.SIGUSR1} {
		if err := syscall.Kill(guard, sig); err != nil {
			t.Fatal(err)
		}
	}
	g.End(time.Now().Add(time.Second))
	g.Close()
	if n := strings.Count(b.text(), "one: term"); n != 1 {
		t.Errorf("it got %d:\n%s", n, b.text())
	}
}
