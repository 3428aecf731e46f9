package e2e_test

import (
	"fmt"
	"io"
	"net"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
)

// kept is how many requests have waited for a slot of the front's own, without the engine.
func (j *jobServers) kept(t *testing.T) int {
	t.Helper()
	var o struct{ Ways struct{ Slot int } }
	j.insideJSON(t, "/peers", &o)
	return o.Ways.Slot
}

// keeps waits until the front keeps jobs for its own slots.
func (j *jobServers) keeps(t *testing.T) {
	t.Helper()
	eventually(t, "jobs are kept", func() bool {
		before := j.kept(t)
		if a := <-j.front.ask("GET", "/job/x?ready", nil); a.status != 200 || value(t, a.body, "job") == "" {
			return false
		}
		return j.kept(t) > before
	})
}

// startKept starts a server of one slot which is busy, and asks for so many jobs more.
func startKept(t *testing.T, more int) (j *jobServers, first answered, rest []<-chan answer) {
	t.Helper()
	j = startJobs(t, 1)
	j.keeps(t)
	gate := filepath.Join(j.dir, "gate")
	before := j.kept(t)
	first = answered{j.front.ask("GET", "/job/until?first&"+gate, nil), gate}
	j.await(t, "begin first")
	for i := range more {
		rest = append(rest, j.front.ask("POST", fmt.Sprintf("/job/x?kept%d", i), nil))
	}
	eventually(t, "all are kept", func() bool { return j.kept(t) == before+1+more })
	return j, first, rest
}

// answered is what will be when a file is there.
type answered struct {
	a    <-chan answer
	gate string
}

func (x answered) end(t *testing.T) {
	t.Helper()
	open(t, x.gate)
	if a := <-x.a; a.status != 200 {
		t.Errorf("the first: %+v", a)
	}
}

func (j *jobServers) allOnce(t *testing.T, all []<-chan answer, pid int) {
	t.Helper()
	for i, a := range all {
		a := <-a
		if n := j.begun(fmt.Sprintf("kept%d", i)); a.status != 200 || n != 1 || value(t, a.body, "master") != strconv.Itoa(pid) {
			t.Errorf("request %d was begun %d times: %+v", i, n, a)
		}
	}
}

// What a server alone could run waits for its slots, one after the other, as jobs do.
func TestKeptJobsRunOneAfterTheOther(t *testing.T) {
	j, first, rest := startKept(t, 10)
	for i := range rest {
		if n := j.begun(fmt.Sprintf("kept%d", i)); n != 0 {
			t.Errorf("request %d was begun beside the first", i)
		}
	}
	first.end(t)
	j.allOnce(t, rest, j.front.cmd.Process.Pid)
	if most := j.mostAtOnce("kept"); most > 1 {
		t.Errorf("%d ran at once", most)
	}
}

// A server that joins gets what waits.
func TestKeptJobsGoToWhoJoins(t *testing.T) {
	j, first, rest := startKept(t, 5)
	other := j.join(t, 2)
	j.allOnce(t, rest, other.cmd.Process.Pid)
	before := j.kept(t)
	if a := <-j.front.ask("GET", "/job/x?shared", nil); a.status != 200 || j.kept(t) != before {
		t.Errorf("what others could run is kept: %+v", a)
	}
	_ = other.end(t, syscall.SIGTERM)
	first.end(t)
	j.keeps(t)
}

// Without an engine what waits runs at once, as all requests do.
func TestKeptJobsRunHereWithoutTheirEngine(t *testing.T) {
	j, first, rest := startKept(t, 3)
	_ = syscall.Kill(engineOf(t, j.front), syscall.SIGKILL)
	j.allOnce(t, rest, j.front.cmd.Process.Pid)
	first.end(t)
}

// Who leaves takes along what was kept for it, and a worker that dies is no end of a job that
// may run twice.
func TestKeptJobsOfThoseWhoLeaveAndOfWorkersThatDie(t *testing.T) {
	j, first, _ := startKept(t, 0)
	before := j.inFlight(t)
	leaves := j.leave(t, "GET /job/x?left HTTP/1.1\r\nHost: x\r\n\r\n")
	eventually(t, "it waits", func() bool { return j.inFlight(t) == before+1 })
	leaves()
	eventually(t, "it has left", func() bool { return j.inFlight(t) == before })
	pid, _ := strconv.Atoi(j.await(t, "begin first")[3])
	_ = syscall.Kill(pid, syscall.SIGKILL)
	eventually(t, "it is begun again", func() bool { return j.begun("first") == 2 })
	first.end(t)
	if a := <-j.front.ask("GET", "/job/x?last", nil); a.status != 200 || j.begun("left") != 0 {
		t.Errorf("%+v, who has left was begun %d times", a, j.begun("left"))
	}
}

// leave sends a request and returns what resets its connection.
func (j *jobServers) leave(t *testing.T, request string) (reset func()) {
	t.Helper()
	c, err := net.Dial("tcp", j.front.addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	_, _ = io.WriteString(c, request)
	return func() {
		_ = c.(*net.TCPConn).SetLinger(0)
		c.Close()
	}
}

// What is kept is a job like any other.
func TestKeptJobsOfAnySize(t *testing.T) {
	j := startJobs(t, 2)
	j.keeps(t)
	before := j.kept(t)
	j.answersOfAnySize(t)
	if n := j.kept(t) - before; n < 15 {
		t.Errorf("only %d were kept", n)
	}
}
