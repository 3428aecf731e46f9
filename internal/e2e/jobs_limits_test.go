package e2e_test

import (
	"bufio"
	"encoding/json"
	"fmt"
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

// refusedByHead sends the head of a request alone, and returns the answer that comes to it.
func refusedByHead(t *testing.T, s *server, path string, length int) *http.Response {
	t.Helper()
	c, err := net.Dial("tcp", s.addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	_ = c.SetDeadline(time.Now().Add(limit))
	fmt.Fprintf(c, "POST %s HTTP/1.1\r\nHost: x\r\nPrefer: respond-async\r\nContent-Length: %d\r\n\r\n", path, length)
	res, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		t.Fatal(err)
	}
	return res
}

func checkRefused(t *testing.T, res *http.Response) {
	t.Helper()
	if res.StatusCode != 503 || res.Header.Get("Retry-After") == "" {
		t.Errorf("%d, %v", res.StatusCode, res.Header)
	}
}

// A full queue says so before the body comes: by count, and by bytes.
func TestAFullQueueRefusesByTheHead(t *testing.T) {
	j := startJobs(t, 0, "--offload", "/async/*,async", "--offload-jobs", "2", "--offload-max", "1M")
	checkRefused(t, refusedByHead(t, j.front, "/async/x?large", 2<<20)) // there will never be room for it
	for range 2 {
		if a := <-j.front.ask("POST", "/async/x?one", strings.NewReader("body")); a.status != 202 {
			t.Fatalf("%+v", a)
		}
	}
	eventually(t, "the server knows that its queue is full", func() bool {
		a := <-j.front.ask("POST", "/async/x?more", strings.NewReader("body"))
		return a.status == 503
	})
	checkRefused(t, refusedByHead(t, j.front, "/async/x?more", 10))
	if a := <-j.front.ask("GET", "/other?x", nil, respondAsync...); a.status != 200 {
		t.Errorf("what is no job is refused as well: %+v", a)
	}
	for _, job := range j.listed(t, "queued") {
		if status, text := j.inside(t, "DELETE", "/jobs/"+job.ID, ""); status != 204 {
			t.Errorf("%d: %s", status, text)
		}
	}
	eventually(t, "there is room again", func() bool {
		a := <-j.front.ask("POST", "/async/x?again", strings.NewReader("body"))
		return a.status == 202
	})
}

// What the store has counts: bodies of many sizes, until it has enough.
func TestAStoreOfEnoughBytesRefuses(t *testing.T) {
	j := startJobs(t, 0, "--offload", "/async/*,async", "--offload-max", "4M")
	body, accepted := strings.Repeat("x", 700<<10), 0
	eventually(t, "it has enough", func() bool {
		a := <-j.front.ask("POST", "/async/x?large", strings.NewReader(body))
		if a.status == 202 {
			accepted++
		}
		return a.status == 503
	})
	if accepted == 0 {
		t.Error("none was accepted")
	}
	checkRefused(t, refusedByHead(t, j.front, "/async/x?large", len(body)))
}

// Of a route with a limit no more run at once, wherever there are slots.
func TestARoutesLimitHoldsOnAllNodes(t *testing.T) {
	for _, mode := range []string{"sync", "async"} {
		t.Run(mode, func(t *testing.T) {
			j := startJobs(t, 3, "--offload", "/few/*,limit=2,"+mode)
			j.join(t, 3)
			gate := filepath.Join(j.dir, "gate")
			var answers []<-chan answer
			for i := range 6 {
				answers = append(answers, j.front.ask("GET", fmt.Sprintf("/few/until?few%d&%s", i, gate), nil))
			}
			eventually(t, "two run", func() bool {
				return j.begun("few0")+j.begun("few1")+j.begun("few2")+j.begun("few3")+j.begun("few4")+j.begun("few5") == 2
			})
			if a := <-j.front.ask("GET", "/job/x?beside", nil); a.status != 200 || value(t, a.body, "job") == "" {
				t.Errorf("another route waits for it: %+v", a)
			}
			time.Sleep(5 * time.Second / 2) // longer than what is not acknowledged waits
			if most := j.mostAtOnce("few"); most != 2 {
				t.Errorf("%d ran at once", most)
			}
			open(t, gate)
			for _, a := range answers {
				if a := <-a; a.status != 200 && a.status != 202 {
					t.Errorf("%+v", a)
				}
			}
			eventually(t, "all have run", func() bool { return j.count("end few") == 6 })
			if most := j.mostAtOnce("few"); most != 2 || j.count("begin few") != 6 {
				t.Errorf("%d ran at once, %d were begun", most, j.count("begin few"))
			}
		})
	}
}

// count counts the lines of the runs that begin so.
func (j *jobServers) count(what string) (n int) {
	text, _ := os.ReadFile(j.runs)
	for line := range strings.Lines(string(text)) {
		if strings.HasPrefix(line, what) {
			n++
		}
	}
	return n
}

// mostAtOnce is how many of some jobs ran at once, as the application has noted it.
func (j *jobServers) mostAtOnce(name string) (most int) {
	text, _ := os.ReadFile(j.runs)
	now := 0
	for line := range strings.Lines(string(text)) {
		switch {
		case strings.HasPrefix(line, "begin "+name):
			now++
		case strings.HasPrefix(line, "end "+name):
			now--
		}
		most = max(most, now)
	}
	return most
}

// A route's timeout ends its jobs.
func TestARoutesTimeoutEndsItsJobs(t *testing.T) {
	j := startJobs(t, 1, "--offload", "/short/*,both,timeout=1,retry=0")
	never := filepath.Join(j.dir, "never")
	if a := <-j.front.ask("GET", "/short/until?waits&"+never, nil); a.status != 504 {
		t.Errorf("who waits: %+v", a)
	}
	if now := j.ended(t, j.accept(t, "GET", "/short/until?accepted&"+never, nil)); now.Status != "failed" {
		t.Errorf("%+v", now)
	}
}

// A route's priority says which accepted jobs are begun first.
func TestARoutesPriorityCounts(t *testing.T) {
	j := startJobs(t, 1, "--offload", "/first/*,async,priority=high", "--offload", "/last/*,async,priority=low", "--offload", "/mid/*,async")
	gate := filepath.Join(j.dir, "gate")
	if a := <-j.front.ask("GET", "/mid/until?holds&"+gate, nil); a.status != 202 {
		t.Fatalf("%+v", a)
	}
	j.await(t, "begin holds")
	for _, path := range []string{"/last/x?last", "/mid/x?mid", "/first/x?first"} {
		if a := <-j.front.ask("GET", path, nil); a.status != 202 {
			t.Fatalf("%+v", a)
		}
	}
	open(t, gate)
	for _, name := range []string{"first", "mid", "last"} {
		j.await(t, "end "+name)
	}
	text, _ := os.ReadFile(j.runs)
	if first, mid, last := strings.Index(string(text), "begin first "), strings.Index(string(text), "begin mid "), strings.Index(string(text), "begin last "); first > mid || mid > last {
		t.Errorf("not in the order of their priorities:\n%s", text)
	}
}

// Accepted jobs that lie in the server, unread by its busy workers, when it ends are begun
// by the next one; what ran and must not run twice is lost.
func TestWhatNoWorkerHasReadOutlivesTheServer(t *testing.T) {
	j := startJobs(t, 4, "--offload", "/both/*,both", "--threads", "1", "--graceful-timeout", "1")
	j.offload(t, "both")
	gate := filepath.Join(j.dir, "gate")
	var all []accepted
	for i := range 4 {
		all = append(all, j.accept(t, "POST", fmt.Sprintf("/both/until?post%d&%s", i, gate), nil))
	}
	eventually(t, "the queue has all of them", func() bool { return len(j.listed(t, "running")) == 4 })
	ran := j.await(t, "begin post0")[1]
	for i := 1; ran == ""; i++ {
		ran = j.await(t, fmt.Sprintf("begin post%d", i))[1]
	}
	if err := j.front.end(t, syscall.SIGTERM); err != nil {
		t.Logf("the server: %v", err)
	}
	open(t, gate)
	j.front = startApp(t, "jobs", options{args: j.args, env: j.env})
	j.front.wait(t, "Jobs: connected")
	ends := map[string]int{}
	for i, job := range all {
		ends[j.ended(t, job).Status]++
		if n := j.begun(fmt.Sprintf("post%d", i)); n != 1 {
			t.Errorf("post%d was begun %d times", i, n)
		}
	}
	if ends["done"] != 3 || ends["lost"] != 1 {
		t.Errorf("%v", ends)
	}
}

// Jobs of an application below a mount point are found there.
func TestJobsBelowAMountPoint(t *testing.T) {
	j := startJobs(t, 2, "--offload", "/shop/both/*,both,retry=5", "--env", "SCRIPT_NAME=/shop")
	eventually(t, "jobs are accepted", func() bool {
		a := <-j.front.ask("GET", "/shop/both/x?ready", nil, "Prefer", "respond-async, wait=10")
		return a.status == 200 && value(t, a.body, "job") != ""
	})
	job := j.accept(t, "POST", "/shop/both/x?one", strings.NewReader("body"))
	if !strings.HasPrefix(job.URL, "/shop/.girin/jobs/") {
		t.Errorf("its place is %s", job.URL)
	}
	if now := j.ended(t, job); now.Status != "done" {
		t.Errorf("%+v", now)
	}
	if a := <-j.front.ask("GET", job.Result, nil); a.status != 200 || value(t, a.body, "length") != "4" {
		t.Errorf("%+v", a)
	}
}

// By what a client shows that a job is its own is the server's choice.
func TestACookieSaysWhoseAJobIs(t *testing.T) {
	j := startJobs(t, 2, "--offload", "/both/*,both", "--offload-auth", "cookie:sessionid")
	j.offload(t, "both")
	mine := []string{"Cookie", "theme=dark; sessionid=abc"}
	job := j.accept(t, "GET", "/both/x?one", nil, mine...)
	for _, stranger := range [][]string{nil, {"Cookie", "sessionid=abd"}, {"Cookie", "theme=dark"}, {"Authorization", "abc"}} {
		if a := <-j.front.ask("GET", job.URL, nil, stranger...); a.status != 404 {
			t.Errorf("a stranger with %v gets %+v", stranger, a)
		}
	}
	if now := j.ended(t, job, "Cookie", "sessionid=abc"); now.Status != "done" {
		t.Errorf("%+v", now)
	}
	_ = j.front.cmd.Process.Signal(syscall.SIGKILL)
	<-j.front.done
	j.front = startApp(t, "jobs", options{args: j.args, env: j.env})
	j.front.wait(t, "Jobs: connected")
	if a := <-j.front.ask("GET", job.Result, nil, mine...); a.status != 200 {
		t.Errorf("after a new start it is not its own: %+v", a)
	}
}

// A call that is handed to an engine that hangs waits for it no longer than a moment,
// however large it is: what is written to its connection is another's business.
func TestAHungEngineKeepsNobody(t *testing.T) {
	j := startJobs(t, 2)
	gate := filepath.Join(j.dir, "gate")
	for i := range 2 { // so that what follows waits
		j.front.ask("GET", fmt.Sprintf("/job/until?holds%d&%s", i, gate), nil)
		j.await(t, "begin holds"+strconv.Itoa(i))
	}
	waits := j.front.ask("GET", "/job/x?waits", nil)
	eventually(t, "it waits", func() bool { return j.inFlight(t) >= 3 })
	engine := engineOf(t, j.front)
	_ = syscall.Kill(engine, syscall.SIGSTOP)
	defer func() { _ = syscall.Kill(engine, syscall.SIGCONT) }()
	if a := <-waits; a.status != 200 || value(t, a.body, "job") != "" {
		t.Errorf("what waited for a slot: %+v", a)
	}
	body, all := strings.Repeat("x", 500<<10), []<-chan answer{}
	for i := range 16 {
		all = append(all, j.front.ask("POST", fmt.Sprintf("/job/x?large%d", i), strings.NewReader(body)))
	}
	for i, a := range all {
		if a := <-a; a.status != 200 || value(t, a.body, "length") != strconv.Itoa(len(body)) || j.begun("large"+strconv.Itoa(i)) != 1 {
			t.Errorf("%d: %d, %v", i, a.status, a.err)
		}
	}
	_ = syscall.Kill(engine, syscall.SIGCONT)
	open(t, gate)
}

// listed are the jobs of a status.
func (j *jobServers) listed(t *testing.T, status string) []accepted {
	t.Helper()
	var all struct{ Jobs []accepted }
	j.insideJSON(t, "/jobs?status="+status, &all)
	return all.Jobs
}

func (j *jobServers) insideJSON(t *testing.T, path string, v any) {
	t.Helper()
	status, text := j.inside(t, "GET", path, "")
	if err := json.Unmarshal([]byte(text), v); err != nil || status != 200 {
		t.Errorf("%s: %d %s", path, status, text)
	}
}
