package e2e_test

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// lineSeen collects what a command prints and tells when a line with a text came.
type lineSeen struct {
	want string
	seen chan struct{} // closed when it came

	mu   sync.Mutex
	text bytes.Buffer // guarded by mu
	once sync.Once
}

func (l *lineSeen) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.text.Write(p)
	if l.want != "" && bytes.Contains(l.text.Bytes(), []byte(l.want)) {
		l.once.Do(func() { close(l.seen) })
	}
	return len(p), nil
}

func (l *lineSeen) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// tuneLimit is how long girin tune may take with the least budget, on a machine that has other things to do.
const tuneLimit = 5 * time.Minute

// looseSLO is one that holds on a machine that has other things to do, too.
const looseSLO = "p50<400ms,errors<20%"

// tuning is a run of girin tune.
type tuning struct {
	dir  string // its working directory
	app  string // empty: none is named
	args []string
	env  []string
	want string            // what its error output must have before act is called
	act  func(*os.Process) // nil: nothing is done
}

// tune runs girin tune for testdata/tuned.py.
func tune(t *testing.T, dir string, args ...string) (status int, stdout, stderr string) {
	t.Helper()
	return tuneOf(t, tuning{dir: dir, app: "tuned:app", args: args})
}

func tuneOf(t *testing.T, r tuning) (status int, stdout, stderr string) {
	t.Helper()
	apps, err := filepath.Abs("testdata")
	if err != nil {
		t.Fatal(err)
	}
	args := append([]string{"tune", "--python", python(t), "--chdir", apps, "--budget", "15s", "--slo", looseSLO, "-o", "out"}, r.args...)
	if r.app != "" {
		args = append(args, r.app)
	}
	cmd := exec.Command(os.Getenv("GIRIN"), args...)
	cmd.Dir = r.dir
	mark := fmt.Sprintf("GIRIN_TUNE_TEST=%d", time.Now().UnixNano())
	cmd.Env = append(append(os.Environ(), mark), r.env...)
	var out bytes.Buffer
	said := &lineSeen{want: r.want, seen: make(chan struct{})}
	cmd.Stdout, cmd.Stderr = &out, said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() { _ = cmd.Wait(); close(done) }()
	late := time.After(tuneLimit)
	if r.act != nil {
		select {
		case <-said.seen:
			r.act(cmd.Process)
		case <-done:
		case <-late:
		}
	}
	select {
	case <-done:
	case <-late:
		_ = cmd.Process.Kill()
		<-done
		t.Fatalf("girin tune did not end:\n%s", said)
	}
	for end := time.Now().Add(limit); len(marked(mark)) > 0; time.Sleep(50 * time.Millisecond) {
		if time.Now().After(end) {
			t.Errorf("girin tune has left processes: %v", marked(mark))
			break
		}
	}
	return cmd.ProcessState.ExitCode(), out.String(), said.String()
}

// marked are the processes that have a variable in their environment.
func marked(variable string) (pids []string) {
	files, _ := filepath.Glob("/proc/[0-9]*/environ")
	for _, file := range files {
		if env, err := os.ReadFile(file); err == nil && bytes.Contains(env, []byte(variable)) {
			pids = append(pids, filepath.Base(filepath.Dir(file)))
		}
	}
	return pids
}

// From one command to a file that gunicorn and girin read, and that girin tune --check accepts. The
// application's routes are found; what cannot be asked is said.
func TestTune(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	status, stdout, stderr := tune(t, dir, "--rate", "10")
	// On a machine that is busy, the last and longer run may hold nothing; then that is said.
	if status != 0 && !(status == 3 && strings.Contains(stdout, "a longer run did not hold it")) {
		t.Fatalf("status %d\n%s\n%s", status, stdout, stderr)
	}
	for _, want := range []string{"the routes of tuned:app (Flask), 2 requests", "GET /broken: it answers 500", "/item/<int:number>: it needs number", "  GET /wait\n", "settings to choose from"} {
		if !strings.Contains(stderr, want) {
			t.Errorf("it does not say %q:\n%s", want, stderr)
		}
	}
	for _, want := range []string{"requests/s within " + looseSLO, "10 requests/s need 1 machine", "out/report.html", "out/gunicorn.conf.py"} {
		if !strings.Contains(stdout, want) {
			t.Errorf("the answer has no %q:\n%s", want, stdout)
		}
	}
	conf := filepath.Join(dir, "out", "gunicorn.conf.py")
	gunicorn := filepath.Join(filepath.Dir(python(t)), "gunicorn")
	for _, server := range []string{os.Getenv("GIRIN"), gunicorn} {
		check := exec.Command(server, "--check-config", "-c", conf, "--chdir", "testdata", "tuned:app")
		check.Env = append(os.Environ(), "PATH="+filepath.Dir(gunicorn)+":"+os.Getenv("PATH"))
		if out, err := check.CombinedOutput(); err != nil {
			text, _ := os.ReadFile(conf)
			t.Errorf("%s does not read the file: %v\n%s\n%s", server, err, out, text)
		}
	}
	if status, stdout, stderr := tune(t, dir, "--check", conf, "--rate", "5"); status != 0 && status != 3 || !strings.Contains(stdout, "5 requests/s") {
		t.Errorf("--check: status %d\n%s\n%s", status, stdout, stderr)
	}
}

// What Ctrl-C finds is told and written, and no server is left.
func TestTuneStopped(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	status, stdout, stderr := tuneOf(t, tuning{dir: dir, app: "tuned:app", want: "screening", act: func(p *os.Process) { _ = p.Signal(syscall.SIGINT) }})
	if status != 130 {
		t.Fatalf("status %d\n%s\n%s", status, stdout, stderr)
	}
	if !strings.Contains(stdout, "this is what is known") || !strings.Contains(stdout, "requests/s within") {
		t.Errorf("%s\n%s", stdout, stderr)
	}
	if _, err := os.Stat(filepath.Join(dir, "out", "report.html")); err != nil {
		t.Error(err)
	}
}

// The load of a running server is repeated; who stops before anything is known is told so.
func TestTuneOfARunningServer(t *testing.T) {
	t.Parallel()
	runtime := "GIRIN_RUNTIME_DIR=" + t.TempDir()
	s := start(t, options{env: []string{runtime}})
	s.get(t, "/")
	status, stdout, stderr := tuneOf(t, tuning{
		dir: t.TempDir(), env: []string{runtime}, app: "app", want: "the load:", act: func(p *os.Process) { _ = p.Signal(syscall.SIGINT) },
		args: []string{"--pid", fmt.Sprint(s.cmd.Process.Pid)},
	})
	if status != 130 || stdout != "" || !strings.Contains(stderr, "the routes of the girin with pid") || !strings.Contains(stderr, "stopped before a setting was measured") {
		t.Errorf("status %d\n%s\n%s", status, stdout, stderr)
	}
}

// A rate that no setting can hold fails with status 1.
func TestTuneCheckFails(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	conf := filepath.Join(dir, "one.py")
	if err := os.WriteFile(conf, []byte("workers = 1\nbind = '127.0.0.1:1'\nuser = 'nobody'\npidfile = '/nowhere/x'\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	urls := filepath.Join(dir, "urls")
	if err := os.WriteFile(urls, []byte("/wait\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	// One at a time, 20 ms each, is 50 a second; 20 times that never holds.
	status, stdout, stderr := tune(t, dir, "--check", conf, "--rate", "1000", "--urls", urls)
	if status != 1 || !strings.Contains(stdout, "do not hold "+looseSLO+" at 1,000 requests/s") {
		t.Errorf("status %d\n%s\n%s", status, stdout, stderr)
	}
}

// file writes a file into dir and returns its path.
func file(t *testing.T, dir, name, text string) string {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// A route that breaks the objective alone is named with its own p99 before any setting is tried, and one that fails
// now and then with how often it does.
func TestTuneNamesWhatBreaksTheSLO(t *testing.T) {
	t.Parallel()
	for urls, want := range map[string]string{
		"19=/\n/slow\n": `No setting can hold p99<500ms,errors<0.5% at any rate: GET /slow alone takes `,
		"/\n/flaky\n":   `requests of GET /flaky failed, though nothing else was asked (status 500); it is 50 % of all requests`,
	} {
		dir := t.TempDir()
		status, stdout, stderr := tuneOf(t, tuning{dir: dir, app: "troubled:app", args: []string{"--slo", "p99<500ms,errors<0.5%", "--urls", file(t, dir, "urls", urls)}})
		if status != 1 || !strings.Contains(stdout, want) || strings.Contains(stderr, "settings to choose from") {
			t.Errorf("status %d\n%s\n%s", status, stdout, stderr)
		}
		if !strings.Contains(stdout, "report.html") || strings.Contains(stdout, "gunicorn.conf.py") {
			t.Errorf("what it has written: %s", stdout)
		}
	}
}

// A route that hangs, even if it is /, holds up neither the start nor the others; a redirect is no load. The application may stand in the
// configuration file.
func TestTuneOfAnApplicationThatHangs(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	conf := file(t, dir, "conf.py", "wsgi_app = 'troubled:app'\ntimeout = 600\n")
	status, _, stderr := tuneOf(t, tuning{dir: dir, args: []string{"--config", conf}, want: "computing", act: func(p *os.Process) { _ = p.Signal(syscall.SIGINT) }})
	for _, want := range []string{"the routes of troubled:app", "GET /hang: it is not answered within ", "GET /moved: it answers 302, a redirect", "  GET /slow\n"} {
		if !strings.Contains(stderr, want) {
			t.Errorf("status %d, it does not say %q:\n%s", status, want, stderr)
		}
	}
}

// Thirty routes that hang take no more of the budget than their share: the search has most of it.
func TestTuneOfAnApplicationThatMostlyHangs(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	status, _, stderr := tuneOf(t, tuning{dir: dir, app: "stuck:app", args: []string{"--budget", "60s"}, want: "settings to choose from",
		act: func(p *os.Process) { _ = p.Signal(syscall.SIGINT) }})
	left := regexp.MustCompile(`settings to choose from, (\S+) left`).FindStringSubmatch(stderr)
	if left == nil || left[1] == "0s" {
		t.Fatalf("status %d, nothing is left of the budget:\n%s", status, stderr)
	}
	if !strings.Contains(stderr, "  GET /\n") || !regexp.MustCompile(`left out: GET /hang/0: (it is not answered within|no time was left) `).MatchString(stderr) || !strings.Contains(stderr, "more\n") {
		t.Errorf("what is asked, and what is left out and why:\n%s", stderr)
	}
}
