package e2e_test

import (
	"bytes"
	"context"
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

// accepted is what is told of an accepted job.
type accepted struct {
	ID, Status, URL, Result, Reason string
	Code, Attempt, Position         int
	Ended                           time.Time
}

// respondAsync is what clients send that do not wait.
var respondAsync = []string{"Prefer", "respond-async"}

// accept makes a job of a request.
func (j *jobServers) accept(t *testing.T, method, path string, body io.Reader, fields ...string) accepted {
	t.Helper()
	a := <-j.front.ask(method, path, body, append(fields, respondAsync...)...)
	if a.err != nil || a.status != 202 {
		t.Fatalf("%s %s: %+v", method, path, a)
	}
	job := acceptedOf(t, a)
	if a.head.Get("Location") != job.URL || a.head.Get("Retry-After") == "" || a.head.Get("Preference-Applied") != "respond-async" {
		t.Errorf("its head: %v", a.head)
	}
	return job
}

func acceptedOf(t *testing.T, a answer) (job accepted) {
	t.Helper()
	if err := json.Unmarshal([]byte(a.body), &job); err != nil {
		t.Errorf("%v: %+v", err, a)
	}
	return job
}

// ended waits for a job's end and returns how it ended.
func (j *jobServers) ended(t *testing.T, job accepted, fields ...string) (now accepted) {
	t.Helper()
	eventually(t, "job "+job.ID+" has ended", func() bool {
		a := <-j.front.ask("GET", job.URL, nil, append(fields, "Prefer", "wait=10")...)
		if a.status == 503 { // the engine is about to come back
			return false
		}
		if err := json.Unmarshal([]byte(a.body), &now); err != nil || a.status != 200 && a.status != 303 {
			t.Fatalf("%+v, %v", a, err)
		}
		return a.status == 303
	})
	return now
}

func TestAcceptedJobsAreAnsweredLater(t *testing.T) {
	j := startJobs(t, 2, "--offload", "/both/*,both", "--offload", "/async/*,async")
	j.offload(t, "both")
	gate := filepath.Join(j.dir, "gate")
	job := j.accept(t, "POST", "/both/until?one&"+gate, strings.NewReader("body"), "Authorization", "mine")
	j.await(t, "begin one")
	mine := []string{"Authorization", "mine"}
	for what, want := range map[string]int{"": 200, "/result": 409} {
		if a := <-j.front.ask("GET", job.URL+what, nil, mine...); a.status != want {
			t.Errorf("while it runs %q is %+v", what, a)
		}
		for _, stranger := range [][]string{nil, {"Authorization", "another's"}} {
			if a := <-j.front.ask("GET", job.URL+what, nil, stranger...); a.status != 404 {
				t.Errorf("a stranger gets %+v", a)
			}
		}
	}
	if a := <-j.front.ask("DELETE", job.URL, nil); a.status != 404 {
		t.Errorf("a stranger cancels it: %+v", a)
	}
	open(t, gate)
	if now := j.ended(t, job, mine...); now.Status != "done" || now.Code != 200 || now.Attempt != 1 {
		t.Errorf("%+v", now)
	}
	a := <-j.front.ask("GET", job.Result, nil, mine...)
	if a.status != 200 || value(t, a.body, "length") != "4" || value(t, a.body, "method") != "POST" || a.head.Get("ETag") == "" || a.head.Get("X-Server") == "" {
		t.Errorf("its result: %+v", a)
	}
	part := <-j.front.ask("GET", job.Result, nil, append(mine, "Range", "bytes=0-5")...)
	same := <-j.front.ask("GET", job.Result, nil, append(mine, "If-None-Match", a.head.Get("ETag"))...)
	if part.status != 206 || part.body != a.body[:6] || same.status != 304 {
		t.Errorf("%+v, %+v", part, same)
	}
	if a := <-j.front.ask("GET", "/async/x?always", nil); a.status != 202 {
		t.Errorf("an async route: %+v", a)
	}
	if a := <-j.front.ask("GET", "/both/x?wait", nil, "Prefer", "respond-async, wait=10"); a.status != 200 || value(t, a.body, "method") != "GET" {
		t.Errorf("who waits gets %+v", a)
	}
	for path, want := range map[string]int{"/both/x?sync": 200, "/job/x?no": 200} { // not asked for; not allowed
		fields := respondAsync
		if path == "/both/x?sync" {
			fields = nil
		}
		if a := <-j.front.ask("GET", path, nil, fields...); a.status != want {
			t.Errorf("%s: %+v", path, a)
		}
	}
	for _, path := range []string{"/.girin/jobs/x", "/.girin/jobs/" + job.ID[1:] + "0", "/.girin/jobs/"} {
		if a := <-j.front.ask("GET", path, nil); a.status != 404 {
			t.Errorf("%s: %+v", path, a)
		}
	}
}

// offload waits until the server can accept jobs.
func (j *jobServers) offload(t *testing.T, route string) {
	t.Helper()
	eventually(t, "jobs are accepted", func() bool {
		a := <-j.front.ask("GET", "/"+route+"/x?ready", nil, "Prefer", "respond-async, wait=10")
		return a.status == 200
	})
}

// open makes a file that requests wait for.
func open(t *testing.T, gate string) {
	t.Helper()
	if err := os.WriteFile(gate, nil, 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestAcceptedJobsOfAnySize(t *testing.T) {
	j := startJobs(t, 2, "--offload", "/both/*,both")
	j.offload(t, "both")
	for _, size := range []int{0, 1, 512<<10 - 1, 512<<10 + 1, 3 << 20} {
		body := bytes.Repeat([]byte("0123456789abcdef"), size/16+1)[:size]
		job := j.accept(t, "POST", "/both/x?size", bytes.NewReader(body))
		if now := j.ended(t, job); now.Status != "done" {
			t.Fatalf("%+v", now)
		}
		if a := <-j.front.ask("GET", job.Result, nil); value(t, a.body, "length") != strconv.Itoa(size) {
			t.Errorf("a body of %d bytes: %+v", size, a)
		}
		job = j.accept(t, "GET", fmt.Sprintf("/both/stream?s&2&%d", size), nil)
		if now := j.ended(t, job); now.Status != "done" {
			t.Fatalf("%+v", now)
		}
		if a := <-j.front.ask("GET", job.Result, nil); a.err != nil || len(a.body) != 2*size || size > 0 && a.body[2*size-1] != 'B' {
			t.Errorf("a result of 2 x %d bytes: %d bytes, %v", size, len(a.body), a.err)
		}
	}
}

// What was answered with 202 is there after everything was killed, and what must not run
// twice does not.
func TestAcceptedJobsOutliveEverything(t *testing.T) {
	for name, victim := range map[string]func(j *jobServers, pid int){
		"worker": func(j *jobServers, pid int) { _ = syscall.Kill(pid, syscall.SIGKILL) },
		"engine": func(j *jobServers, _ int) { _ = syscall.Kill(engineOf(t, j.front), syscall.SIGKILL) },
	} {
		t.Run(name, func(t *testing.T) {
			j := startJobs(t, 2, "--offload", "/both/*,both")
			j.offload(t, "both")
			gate := filepath.Join(j.dir, "gate")
			get, post := j.accept(t, "GET", "/both/until?get&"+gate, nil), j.accept(t, "POST", "/both/until?post&"+gate, nil)
			pid, _ := strconv.Atoi(j.await(t, "begin get")[3])
			j.await(t, "begin post")
			var waiting []accepted
			for i := range 20 {
				waiting = append(waiting, j.accept(t, "POST", fmt.Sprintf("/both/x?waiting%d", i), nil))
			}
			n := j.front.lineCount()
			victim(j, pid)
			if name == "engine" {
				j.front.waitAfter(t, "Jobs: connected", n)
			}
			open(t, gate)
			now := j.ended(t, get)
			want := "done"
			if name == "worker" {
				want = "lost"
			}
			if after := j.ended(t, post); now.Status != "done" || after.Status != want || j.begun("post") != 1 {
				t.Errorf("GET %+v, POST %+v, begun %d times", now, after, j.begun("post"))
			}
			if a := <-j.front.ask("GET", post.Result, nil); want == "lost" && (a.status != 502 || a.head.Get("Content-Type") != "application/problem+json") {
				t.Errorf("what is lost: %+v", a)
			}
			for i, job := range waiting {
				if now := j.ended(t, job); now.Status != "done" || j.begun(fmt.Sprintf("waiting%d", i)) != 1 {
					t.Errorf("%+v, begun %d times", now, j.begun(fmt.Sprintf("waiting%d", i)))
				}
			}
		})
	}
}

func TestAcceptedJobsOutliveTheServer(t *testing.T) {
	j := startJobs(t, 1, "--offload", "/both/*,both")
	j.offload(t, "both")
	gate := filepath.Join(j.dir, "gate")
	j.accept(t, "GET", "/both/until?first&"+gate, nil)
	j.await(t, "begin first")
	var waiting []accepted
	for i := range 10 {
		waiting = append(waiting, j.accept(t, "POST", fmt.Sprintf("/both/x?waiting%d", i), nil))
	}
	_ = j.front.cmd.Process.Signal(syscall.SIGKILL)
	<-j.front.done
	open(t, gate)
	j.front = startApp(t, "jobs", options{args: j.args, env: j.env})
	j.front.wait(t, "Jobs: connected")
	for i, job := range waiting {
		if now := j.ended(t, job); now.Status != "done" || j.begun(fmt.Sprintf("waiting%d", i)) != 1 {
			t.Errorf("%+v, begun %d times", now, j.begun(fmt.Sprintf("waiting%d", i)))
		}
	}
}

func TestOneIdempotencyKeyIsOneJob(t *testing.T) {
	j := startJobs(t, 2, "--offload", "/both/*,both")
	j.offload(t, "both")
	key := []string{"Idempotency-Key", `"k"`}
	first := j.accept(t, "POST", "/both/x?key", strings.NewReader("body"), key...)
	again := j.accept(t, "POST", "/both/x?key", strings.NewReader("body"), key...)
	if first.ID != again.ID || j.ended(t, first).Status != "done" || j.begun("key") != 1 {
		t.Errorf("%+v and %+v, begun %d times", first, again, j.begun("key"))
	}
	if a := <-j.front.ask("POST", "/both/x?key", strings.NewReader("another"), append(key, respondAsync...)...); a.status != 422 {
		t.Errorf("another body: %+v", a)
	}
}

// Those who ask at the same time with one key are told of one job, also while its body is being
// stored, which takes a while.
func TestOneIdempotencyKeyAtTheSameTimeIsOneJob(t *testing.T) {
	j := startJobs(t, 2, "--offload", "/both/*,both")
	j.offload(t, "both")
	for name, size := range map[string]int{"small": 10, "large": 4 << 20} {
		var all []<-chan answer
		for range 12 {
			all = append(all, j.front.ask("POST", "/both/x?"+name, strings.NewReader(strings.Repeat("x", size)), append([]string{"Idempotency-Key", name}, respondAsync...)...))
		}
		var first accepted
		for i, a := range all {
			var job accepted
			if a := <-a; a.status != 202 || json.Unmarshal([]byte(a.body), &job) != nil || i > 0 && job.ID != first.ID {
				t.Errorf("%s: %+v, and the first is %s", name, a, first.ID)
			}
			first = job
		}
		if end := j.ended(t, first); end.Status != "done" || j.begun(name) != 1 {
			t.Errorf("%s: it is %s and was begun %d times", name, end.Status, j.begun(name))
		}
	}
}

func TestAcceptedJobsAreCancelled(t *testing.T) {
	j := startJobs(t, 1, "--offload", "/both/*,both")
	j.offload(t, "both")
	running := j.accept(t, "GET", "/both/told?running", nil) // ends when it hears of it
	j.await(t, "begin running")
	queued := j.accept(t, "GET", "/both/x?queued", nil)
	if a := <-j.front.ask("DELETE", queued.URL, nil); a.status != 204 {
		t.Errorf("queued: %+v", a)
	}
	if a := <-j.front.ask("DELETE", running.URL, nil); a.status != 202 {
		t.Errorf("running: %+v", a)
	}
	for _, job := range []accepted{running, queued} {
		if now := j.ended(t, job); now.Status != "cancelled" {
			t.Errorf("%+v", now)
		}
		if a := <-j.front.ask("DELETE", job.URL, nil); a.status != 409 {
			t.Errorf("again: %+v", a)
		}
	}
	if j.begun("queued") != 0 {
		t.Error("a job was begun that had been cancelled")
	}
}

func TestAcceptedJobsAreFollowed(t *testing.T) {
	j := startJobs(t, 2, "--offload", "/both/*,both")
	j.offload(t, "both")
	gate := filepath.Join(j.dir, "gate")
	job := j.accept(t, "GET", "/both/until?one&"+gate, nil)
	j.await(t, "begin one")
	events := j.front.ask("GET", job.URL, nil, "Accept", "text/event-stream")
	open(t, gate)
	a := <-events
	if a.head.Get("Content-Type") != "text/event-stream" || !strings.Contains(a.body, `"status":"done"`) || !strings.HasPrefix(a.body, "event: state\ndata: {") {
		t.Errorf("%+v", a)
	}
}

func TestTooManyJobsAreRefused(t *testing.T) {
	j := startJobs(t, 0, "--offload", "/async/*,async", "--offload-jobs", "3")
	for range 3 {
		if a := <-j.front.ask("GET", "/async/x?one", nil); a.status != 202 {
			t.Fatalf("%+v", a)
		}
	}
	if a := <-j.front.ask("GET", "/async/x?more", nil); a.status != 503 || a.head.Get("Retry-After") == "" {
		t.Errorf("%+v", a)
	}
	for range 2 { // the first one is not known
		if a := <-j.front.ask("POST", "/async/x?keyed", nil, "Idempotency-Key", "k"); a.status != 503 {
			t.Errorf("with a key: %+v", a)
		}
	}
	if status, text := j.inside(t, "GET", "/jobs?status=queued", ""); strings.Count(text, `"id"`) != 3 {
		t.Errorf("%d: %s", status, text)
	}
}

func TestOfUniqueTasksThereIsOne(t *testing.T) {
	j := startJobs(t, 0)
	j.offloadInside(t)
	ids := make(chan string)
	for range 8 {
		go func() {
			_, text := j.inside(t, "POST", "/tasks", `{"task": "m:f", "unique": "one"}`)
			var job accepted
			_ = json.Unmarshal([]byte(text), &job)
			ids <- job.ID
		}()
	}
	first := <-ids
	for range 7 {
		if id := <-ids; id == "" || id != first {
			t.Errorf("%q and %q", first, id)
		}
	}
}

func TestTheEndDoesNotWaitForWhatNobodyHasBegun(t *testing.T) {
	j := startJobs(t, 3, "--offload", "/both/*,both", "--threads", "1", "--graceful-timeout", "1")
	j.offload(t, "both")
	for i := range 3 {
		j.accept(t, "POST", fmt.Sprintf("/both/until?%d&%s", i, filepath.Join(j.dir, "never")), nil)
	}
	j.await(t, "begin")
	_ = j.front.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-j.front.done:
	case <-time.After(limit / 2):
		t.Fatal("the server does not end")
	}
}

// What another server runs may take hours: a server that ends leaves those who watch it to others.
func TestTheEndDoesNotWaitForThoseWhoWatch(t *testing.T) {
	j := startJobs(t, 0, "--offload", "/both/*,both", "--graceful-timeout", "60")
	job := j.accept(t, "POST", "/both/x?watched", nil)
	events := j.front.ask("GET", job.URL, nil, "Accept", "text/event-stream")
	eventually(t, "somebody watches", func() bool { return j.inFlight(t) == 1 })
	_ = j.front.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-j.front.done:
	case <-time.After(limit / 2):
		t.Fatal("the server does not end")
	}
	if a := <-events; a.err != nil || !strings.Contains(a.body, `"status":"queued"`) {
		t.Errorf("%+v", a)
	}
}

// inside asks by the socket that the application's processes have.
func (j *jobServers) inside(t *testing.T, method, path, body string) (status int, text string) {
	t.Helper()
	socket := filepath.Join(j.control(), fmt.Sprintf("%d.sock", j.front.cmd.Process.Pid))
	client := &http.Client{Timeout: limit, Transport: &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", socket)
	}}}
	r, err := http.NewRequest(method, "http://girin"+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	res, err := client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, readAll(t, res)
}

func TestTasksAreJobs(t *testing.T) {
	j := startJobs(t, 2, "--tasks")
	j.offloadInside(t)
	for body, want := range map[string]int{
		`{"task":"jobs:echo","args":[[1,2]]}`:              202,
		`{"task":"nothing"}`:                               422,
		`{"task":"jobs:echo","color":1}`:                   422,
		`{"task":"jobs:echo","priority":"urgent"}`:         422,
		`{"task":"jobs:echo","args":[1],"priority":"low"}`: 202,
	} {
		if status, text := j.inside(t, "POST", "/tasks", body); status != want {
			t.Errorf("%s: %d %s", body, status, text)
		}
	}
	later := time.Now()
	_, text := j.inside(t, "POST", "/tasks", `{"task":"jobs:echo","args":["late"],"delay":1.5}`)
	var job accepted
	if err := json.Unmarshal([]byte(text), &job); err != nil {
		t.Fatal(err, text)
	}
	if _, text = j.inside(t, "GET", "/jobs/"+job.ID+"?wait=20", ""); !strings.Contains(text, `"done"`) || time.Since(later) < 1500*time.Millisecond {
		t.Errorf("after %v: %s", time.Since(later), text)
	}
	if status, text := j.inside(t, "GET", "/jobs/"+job.ID+"/result", ""); status != 200 || !strings.Contains(text, "late") {
		t.Errorf("%d %s", status, text)
	}
	// Whom the application gives a task's place to, it may see what becomes of it, and nothing more.
	for what, want := range map[string]int{job.URL: 303, job.Result: 200, "/.girin/jobs/" + job.ID + "/x": 404, "/.girin/jobs//" + job.ID: 404, "/.girin/jobs/": 404} {
		if a := <-j.front.ask("GET", what, nil); a.status != want {
			t.Errorf("%s: %+v", what, a)
		}
	}
	if a := <-j.front.ask("DELETE", job.URL, nil); a.status != 404 {
		t.Errorf("a client cancels a task: %+v", a)
	}
	_, text = j.inside(t, "POST", "/tasks", `{"task":"jobs:boom","args":["a secret"]}`)
	job = acceptedOf(t, answer{body: text})
	if _, text = j.inside(t, "GET", "/jobs/"+job.ID+"?wait=20", ""); !strings.Contains(text, "a secret") {
		t.Errorf("what it raised is not told: %s", text)
	}
	for what, want := range map[string]int{job.URL: 303, job.Result: 500} {
		if a := <-j.front.ask("GET", what, nil); a.status != want || strings.Contains(a.body, "secret") || !strings.Contains(a.body, "raised an exception") {
			t.Errorf("%s of a task that raised: %+v", what, a)
		}
	}
}

// offloadInside waits until tasks are taken.
func (j *jobServers) offloadInside(t *testing.T) {
	t.Helper()
	eventually(t, "tasks are taken", func() bool {
		status, _ := j.inside(t, "GET", "/jobs", "")
		return status == 200
	})
}
