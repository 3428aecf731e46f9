package e2e_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// jobServers are servers of one application that share a queue.
type jobServers struct {
	front  *server // it has the engine, and listens
	queue  string  // where the engine listens
	scheme string  // of its URL
	runs   string  // the file that has a line for each run
	dir    string
	common []string
	args   []string // of front
	env    []string
}

// startJobs starts a server with jobs. Its own slots are as many as are said.
func startJobs(t *testing.T, slots int, args ...string) *jobServers {
	t.Helper()
	return startJobsOf(t, "jobs", slots, args...)
}

// startJobsOf does so for another application of testdata.
func startJobsOf(t *testing.T, app string, slots int, args ...string) *jobServers {
	t.Helper()
	dir := t.TempDir()
	j := &jobServers{dir: dir, scheme: "nats://", runs: filepath.Join(dir, "runs"), queue: freePort(t)}
	key := filepath.Join(dir, "key")
	if _, fault, code := ctl(t, dir, "offload", "keygen", key); code != 0 {
		t.Fatal(fault)
	}
	j.common = []string{"--name", "jobs", "--offload-key", key}
	all := append([]string{"--offload", "/job/*", "--offload-dir", filepath.Join(dir, "store"), "--offload-listen", j.queue,
		"--offload-slots", strconv.Itoa(slots)}, args...)
	j.args, j.env = append(all, j.common...), []string{"RUNS=" + j.runs, "GIRIN_RUNTIME_DIR=" + j.control()}
	j.front = startApp(t, app, options{args: j.args, env: j.env})
	j.front.wait(t, "Jobs: connected")
	return j
}

// control is where the front's control socket is.
func (j *jobServers) control() string { return filepath.Join(j.dir, "run") }

// inFlight is how many requests the front knows somebody to wait for.
func (j *jobServers) inFlight(t *testing.T) int {
	t.Helper()
	var status struct {
		Sched struct {
			InFlight int `json:"in_flight"`
		}
	}
	out, fault, _ := ctl(t, j.control(), "ctl", "status", "--json", "--pid", strconv.Itoa(j.front.cmd.Process.Pid))
	if err := json.Unmarshal([]byte(out), &status); err != nil {
		t.Fatalf("%v: %s%s", err, out, fault)
	}
	return status.Sched.InFlight
}

// join starts a server that only runs jobs.
func (j *jobServers) join(t *testing.T, slots int, args ...string) *server {
	t.Helper()
	n := j.front.lineCount()
	all := append([]string{"--offload-connect", j.scheme + j.queue, "--no-bind", "--offload-slots", strconv.Itoa(slots)}, args...)
	s := startApp(t, "jobs", options{args: append(all, j.common...), env: []string{"RUNS=" + j.runs}})
	s.wait(t, "Jobs: connected")
	j.front.waitAfter(t, fmt.Sprintf("(pid %d) is there", s.cmd.Process.Pid), n)
	return s
}

func (s *server) lineCount() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.lines)
}

// startApp starts a server for an application of testdata.
func startApp(t *testing.T, app string, o options) *server {
	t.Helper()
	s := launchApp(t, app, o)
	s.wait(t, "Ready after")
	return s
}

// launchApp does so without waiting for it.
func launchApp(t *testing.T, app string, o options) *server {
	t.Helper()
	dir, err := filepath.Abs("testdata")
	if err != nil {
		t.Fatal(err)
	}
	args := append(o.wrap, os.Getenv("GIRIN"), "--python", python(t), "--chdir", dir, "-w", "1", "--threads", "4", "-b", "127.0.0.1:0")
	return run(t, o, append(append(args, o.args...), app))
}

func freePort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// engine is the process that holds a server's queue.
func engineOf(t *testing.T, s *server) int {
	t.Helper()
	found := 0
	eventually(t, "there is an engine", func() bool {
		all, _ := children(t, s.cmd.Process.Pid)
		for _, pid := range all {
			line, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
			if strings.HasSuffix(string(line), "\x00engine\x00") {
				found = pid
			}
		}
		return found != 0
	})
	return found
}

// answer is what a client got.
type answer struct {
	status int
	head   http.Header
	body   string
	err    error
}

// ask makes a request and does not wait.
func (s *server) ask(method, path string, body io.Reader, fields ...string) <-chan answer {
	got := make(chan answer, 1)
	go func() {
		ctx, cancel := context.WithTimeout(context.Background(), limit)
		defer cancel()
		r, err := http.NewRequestWithContext(ctx, method, "http://"+s.addr+path, body)
		if err != nil {
			got <- answer{err: err}
			return
		}
		for i := 0; i < len(fields); i += 2 {
			r.Header.Set(fields[i], fields[i+1])
		}
		res, err := (&http.Transport{DisableKeepAlives: true}).RoundTrip(r)
		if err != nil {
			got <- answer{err: err}
			return
		}
		defer res.Body.Close()
		text, err := io.ReadAll(res.Body)
		got <- answer{res.StatusCode, res.Header, string(text), err}
	}()
	return got
}

// await waits for a line of the runs.
func (j *jobServers) await(t *testing.T, what string) (fields []string) {
	t.Helper()
	eventually(t, "it is noted: "+what, func() bool {
		text, _ := os.ReadFile(j.runs)
		for line := range strings.Lines(string(text)) {
			if strings.HasPrefix(line, what+" ") {
				fields = strings.Fields(line)
				return true
			}
		}
		return false
	})
	return fields
}

// begun counts how often a request was begun.
func (j *jobServers) begun(name string) int {
	text, _ := os.ReadFile(j.runs)
	return strings.Count(string(text), "begin "+name+" ")
}

func TestJobsOfWaitingClientsRunWhereThereIsTime(t *testing.T) {
	j := startJobs(t, 0)
	other := j.join(t, 2)
	a := <-j.front.ask("GET", "/job/x?first", nil)
	if a.err != nil || a.status != 200 || value(t, a.body, "master") != strconv.Itoa(other.cmd.Process.Pid) {
		t.Fatalf("it did not run on the other node: %+v", a)
	}
	if _, port, _ := net.SplitHostPort(j.front.addr); a.head.Get("X-Server") != port {
		t.Errorf("the application was told port %s, not that of the server that was asked", a.head.Get("X-Server"))
	}
	if here := <-j.front.ask("GET", "/other?second", nil); value(t, here.body, "master") != strconv.Itoa(j.front.cmd.Process.Pid) {
		t.Errorf("what is no job ran elsewhere: %+v", here)
	}
	j.answersOfAnySize(t)
}

// answersOfAnySize asks for jobs with bodies and answers of all sizes and kinds.
func (j *jobServers) answersOfAnySize(t *testing.T) {
	t.Helper()
	file := filepath.Join(j.dir, "file")
	if err := os.WriteFile(file, bytes.Repeat([]byte("girin"), 1<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, size := range []int{1, 4 << 10, 64 << 10, 512<<10 - 1, 512 << 10, 512<<10 + 1, 1<<20 + 1, 20 << 20} {
		body := bytes.Repeat([]byte("0123456789abcdef"), size/16+1)[:size]
		a := <-j.front.ask("POST", "/job/x?size", bytes.NewReader(body))
		if a.err != nil || a.status != 200 || value(t, a.body, "length") != strconv.Itoa(size) || value(t, a.body, "digest") != fmt.Sprintf("%x", sha256.Sum256(body)) {
			t.Errorf("a body of %d bytes: %d, %v, %.200s", size, a.status, a.err, a.body)
		}
		a = <-j.front.ask("GET", fmt.Sprintf("/job/stream?stream&4&%d", size), nil)
		if a.err != nil || len(a.body) != 4*size || a.body[3*size] != 'D' {
			t.Errorf("an answer of 4 x %d bytes: %d, %v", size, len(a.body), a.err)
		}
	}
	if a := <-j.front.ask("GET", "/job/file?file&"+file, nil); a.err != nil || len(a.body) != 5<<20 || !strings.HasSuffix(a.body, "girin") {
		t.Errorf("a file: %d bytes, %v", len(a.body), a.err)
	}
	if a := <-j.front.ask("GET", "/job/fail?fail", nil); a.status != 500 {
		t.Errorf("an application that raises: %+v", a)
	}
	if a := <-j.front.ask("HEAD", "/job/x?head", nil); a.status != 200 || a.body != "" {
		t.Errorf("HEAD: %+v", a)
	}
}

// Whoever may run twice is run again when its node dies, and nobody else.
func TestJobsOutliveTheirNode(t *testing.T) {
	for name, test := range map[string]struct {
		method string
		fields []string
		again  bool
	}{
		"GET":              {"GET", nil, true},
		"POST":             {"POST", nil, false},
		"POST, with a key": {"POST", []string{"Idempotency-Key", `"k1"`}, true},
	} {
		t.Run(name, func(t *testing.T) {
			j := startJobs(t, 0)
			first := j.join(t, 1)
			gate := filepath.Join(j.dir, "gate")
			a := j.front.ask(test.method, "/job/until?one&"+gate, nil, test.fields...)
			j.await(t, "begin one")
			second := j.join(t, 1)
			killed := time.Now()
			_ = first.cmd.Process.Signal(syscall.SIGKILL)
			if !test.again {
				if got := <-a; got.status != 502 {
					t.Errorf("%+v", got)
				}
				if n := j.begun("one"); n != 1 {
					t.Errorf("it was begun %d times", n)
				}
				return
			}
			eventually(t, "it is begun again", func() bool { return j.begun("one") == 2 })
			t.Logf("begun again %v after the kill", time.Since(killed))
			if err := os.WriteFile(gate, nil, 0o600); err != nil {
				t.Fatal(err)
			}
			if got := <-a; got.status != 200 || value(t, got.body, "master") != strconv.Itoa(second.cmd.Process.Pid) {
				t.Errorf("%+v", got)
			}
		})
	}
}

// A worker that dies is the same, and its node stays.
func TestJobsOutliveTheirWorker(t *testing.T) {
	j := startJobs(t, 2)
	gate := filepath.Join(j.dir, "gate")
	get, post := j.front.ask("GET", "/job/until?get&"+gate, nil), j.front.ask("POST", "/job/until?post&"+gate, nil)
	pid, _ := strconv.Atoi(j.await(t, "begin get")[3])
	j.await(t, "begin post")
	_ = syscall.Kill(pid, syscall.SIGKILL)
	if a := <-post; a.status != 502 || j.begun("post") != 1 {
		t.Errorf("POST: %+v, begun %d times", a, j.begun("post"))
	}
	eventually(t, "the other is begun again", func() bool { return j.begun("get") == 2 })
	if err := os.WriteFile(gate, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if a := <-get; a.status != 200 {
		t.Errorf("GET: %+v", a)
	}
}

// While there is no engine requests run here, and the engine comes back.
func TestJobsRunHereWithoutTheirEngine(t *testing.T) {
	j := startJobs(t, 2)
	gate := filepath.Join(j.dir, "gate")
	running := j.front.ask("POST", "/job/until?running&"+gate, nil)
	j.await(t, "begin running")
	n := j.front.lineCount()
	engine := engineOf(t, j.front)
	_ = syscall.Kill(engine, syscall.SIGKILL)
	for i := range 20 {
		if a := <-j.front.ask("POST", fmt.Sprintf("/job/x?%d", i), nil); a.status != 200 {
			t.Fatalf("%+v", a)
		}
		if n := j.begun(strconv.Itoa(i)); n != 1 {
			t.Errorf("request %d was begun %d times", i, n)
		}
	}
	j.front.waitAfter(t, "Jobs: connected", n)
	if err := os.WriteFile(gate, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if a := <-running; a.status != 200 || j.begun("running") != 1 {
		t.Errorf("what ran here: %+v, begun %d times", a, j.begun("running"))
	}
	if again := engineOf(t, j.front); again == engine {
		t.Error("the engine is the one that was killed")
	}
	if a := <-j.front.ask("GET", "/job/x?after", nil); value(t, a.body, "job") == "" {
		t.Errorf("it is no job any more: %+v", a)
	}
}

// An engine that hangs is no engine: nobody waits longer than a moment for it.
func TestJobsRunHereWhileTheirEngineHangs(t *testing.T) {
	j := startJobs(t, 2)
	engine := engineOf(t, j.front)
	_ = syscall.Kill(engine, syscall.SIGSTOP)
	defer func() { _ = syscall.Kill(engine, syscall.SIGCONT) }()
	for i := range 10 {
		if a := <-j.front.ask("POST", fmt.Sprintf("/job/x?%d", i), nil); a.status != 200 || j.begun(strconv.Itoa(i)) != 1 {
			t.Fatalf("%+v, begun %d times", a, j.begun(strconv.Itoa(i)))
		}
	}
	_ = syscall.Kill(engine, syscall.SIGCONT)
	eventually(t, "there are jobs again", func() bool {
		a := <-j.front.ask("GET", "/job/x?after", nil)
		return value(t, a.body, "job") != ""
	})
	for i := range 10 {
		if n := j.begun(strconv.Itoa(i)); n != 1 {
			t.Errorf("request %d was begun %d times", i, n)
		}
	}
}

// A client that leaves takes its job with it.
func TestJobsWhoseClientsLeaveAreNotBegun(t *testing.T) {
	j := startJobs(t, 1)
	gate := filepath.Join(j.dir, "gate")
	first := j.front.ask("GET", "/job/until?first&"+gate, nil)
	j.await(t, "begin first")
	before := j.inFlight(t)
	var left []net.Conn
	for i := range 20 {
		c, err := net.Dial("tcp", j.front.addr)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(c, "GET /job/x?left%d HTTP/1.1\r\nHost: x\r\n\r\n", i)
		_ = c.(*net.TCPConn).SetLinger(0)
		defer c.Close()
		left = append(left, c)
	}
	eventually(t, "all wait", func() bool { return j.inFlight(t) == before+20 })
	for _, c := range left {
		c.Close()
	}
	eventually(t, "they have left", func() bool { return j.inFlight(t) == before })
	if err := os.WriteFile(gate, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if a := <-first; a.status != 200 {
		t.Fatalf("%+v", a)
	}
	if a := <-j.front.ask("GET", "/job/x?last", nil); a.status != 200 {
		t.Fatalf("%+v", a)
	}
	text, _ := os.ReadFile(j.runs)
	if strings.Contains(string(text), "begin left") {
		t.Errorf("jobs were begun whose clients had left:\n%s", text)
	}
}

// A node that ends takes nothing more and finishes what it runs.
func TestAFullQueueKeepsNoJobsOut(t *testing.T) {
	j := startJobs(t, 1, "--threads", "1", "--queue-size", "2")
	var all []<-chan answer
	for range 12 {
		all = append(all, j.front.ask("GET", "/job/x?one", nil))
	}
	answered := 0
	for _, a := range all {
		switch a := <-a; {
		case a.status == 200:
			answered++
		case a.status != 503:
			t.Errorf("%+v", a)
		}
	}
	if answered == 0 {
		t.Error("none was answered")
	}
}

func TestANodeFinishesItsJobs(t *testing.T) {
	j := startJobs(t, 0)
	other := j.join(t, 1)
	gate := filepath.Join(j.dir, "gate")
	a := j.front.ask("POST", "/job/until?one&"+gate, nil)
	j.await(t, "begin one")
	n := other.lineCount()
	_ = other.cmd.Process.Signal(syscall.SIGTERM)
	other.waitAfter(t, "erm", n)
	if err := os.WriteFile(gate, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if got := <-a; got.status != 200 || j.begun("one") != 1 {
		t.Errorf("%+v, begun %d times", got, j.begun("one"))
	}
	<-other.done
	if other.err != nil {
		t.Error(other.err)
	}
}
