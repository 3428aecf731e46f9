package e2e_test

import (
	"bytes"
	"crypto/tls"
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"
)

// A runner that is frozen is given up like one that has died; what it says when it goes on
// is nobody's answer.
func TestAFrozenRunnerIsNotHeardAnyMore(t *testing.T) {
	j := startJobs(t, 0)
	frozen := j.join(t, 1)
	gate := filepath.Join(j.dir, "gate")
	a := j.front.ask("GET", "/job/until?one&"+gate, nil)
	j.await(t, "begin one")
	other := j.join(t, 1)
	_ = frozen.cmd.Process.Signal(syscall.SIGSTOP)
	defer func() { _ = frozen.cmd.Process.Signal(syscall.SIGCONT) }()
	eventually(t, "it is begun again", func() bool { return j.begun("one") == 2 })
	_ = frozen.cmd.Process.Signal(syscall.SIGCONT)
	open(t, gate)
	if got := <-a; got.status != 200 || value(t, got.body, "master") != strconv.Itoa(other.cmd.Process.Pid) {
		t.Errorf("%+v", got)
	}
	if got := <-j.front.ask("GET", "/job/x?after", nil); got.status != 200 {
		t.Errorf("%+v", got)
	}
}

// When the server whose clients wait dies, nobody runs on for them.
func TestJobsEndWithTheirOrigin(t *testing.T) {
	j := startJobs(t, 0)
	other := j.join(t, 1)
	gate := filepath.Join(j.dir, "gate")
	j.front.ask("GET", "/job/until?one&"+gate, nil)
	j.await(t, "begin one")
	_ = j.front.cmd.Process.Signal(syscall.SIGKILL)
	<-j.front.done
	open(t, gate)
	j.await(t, "end one")
	if err := other.end(t, syscall.SIGTERM); err != nil {
		t.Error(err)
	}
}

func TestJobsOfASGIApplications(t *testing.T) {
	dir := t.TempDir()
	s := startApp(t, "asgijobs:app", options{args: []string{"--offload", "/both/*,both", "--offload-dir", filepath.Join(dir, "store")}})
	s.wait(t, "Jobs: connected")
	for _, size := range []int{0, 100, 1 << 20, 3 << 20} {
		body := bytes.Repeat([]byte("x"), size)
		want := "method=POST\npath=/both/a b\nlength=" + strconv.Itoa(size) + "\n"
		want += want + "end=yes\n"
		if a := <-s.ask("POST", "/both/a%20b", bytes.NewReader(body)); a.status != 200 || a.body != want {
			t.Errorf("%d bytes, a client that waits: %+v", size, a)
		}
		eventually(t, "the answer comes later", func() bool {
			a := <-s.ask("POST", "/both/a%20b", bytes.NewReader(body), "Prefer", "respond-async, wait=20")
			if a.status == 503 {
				return false // the store is about to be there
			}
			if a.status != 200 || a.body != want {
				t.Fatalf("%d bytes, a client that does not wait: %+v", size, a)
			}
			return true
		})
	}
}

func TestJobsOverHTTP2(t *testing.T) {
	cert, key := selfSigned(t, t.TempDir())
	j := startJobs(t, 2, "--offload", "/both/*,both", "--certfile", cert, "--keyfile", key, "--http-protocols", "h2,h1")
	client := &http.Client{Timeout: limit, Transport: &http.Transport{
		TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, ForceAttemptHTTP2: true,
	}}
	ask := func(method, path string, body []byte, fields ...string) (int, string) {
		t.Helper()
		r, err := http.NewRequest(method, "https://"+j.front.addr+path, bytes.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		for i := 0; i < len(fields); i += 2 {
			r.Header.Set(fields[i], fields[i+1])
		}
		res, err := client.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		if res.ProtoMajor != 2 {
			t.Fatalf("it is %s", res.Proto)
		}
		return res.StatusCode, readAll(t, res)
	}
	for _, size := range []int{0, 1, 300 << 10, 2 << 20} {
		body := bytes.Repeat([]byte("x"), size)
		if status, text := ask("POST", "/job/x?one", body); status != 200 || value(t, text, "length") != strconv.Itoa(size) || value(t, text, "scheme") != "https" {
			t.Errorf("%d bytes: %d %s", size, status, text)
		}
		if status, text := ask("GET", "/job/stream?s&3&"+strconv.Itoa(size), nil); status != 200 || len(text) != 3*size {
			t.Errorf("an answer of 3 x %d bytes: %d, %d bytes", size, status, len(text))
		}
	}
	var job accepted
	eventually(t, "jobs are accepted", func() bool {
		status, text := ask("POST", "/both/x?later", []byte("body"), "Prefer", "respond-async")
		return status == 202 && json.Unmarshal([]byte(text), &job) == nil
	})
	if status, text := ask("GET", job.URL, nil, "Prefer", "wait=20"); status != 200 || value(t, text, "length") != "4" { // the client has followed
		t.Errorf("%d %s", status, text)
	}
}

// Who leaves while a large answer comes leaves nothing behind.
func TestClientsLeaveInTheMiddleOfAJobsAnswer(t *testing.T) {
	j := startJobs(t, 0)
	j.join(t, 2)
	before := j.inFlight(t)
	for range 6 {
		req, _ := http.NewRequest("GET", "http://"+j.front.addr+"/job/stream?s&400&100000", nil)
		res, err := (&http.Transport{DisableKeepAlives: true}).RoundTrip(req)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = res.Body.Read(make([]byte, 1000))
		res.Body.Close()
	}
	eventually(t, "nobody waits any more", func() bool { return j.inFlight(t) == before })
	late := time.Now()
	if a := <-j.front.ask("GET", "/job/x?after", nil); a.status != 200 || time.Since(late) > 5*time.Second {
		t.Errorf("%+v after %v: the slots are not free", a, time.Since(late))
	}
	if _, err := os.Stat(j.runs); err != nil {
		t.Error(err)
	}
}
