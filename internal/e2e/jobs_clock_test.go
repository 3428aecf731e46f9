package e2e_test

import (
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

// Servers whose clocks are an hour early and late: no result goes early or late, nothing is
// begun before or long after its time, and what is scheduled is begun once.
func TestClocksThatAreWrong(t *testing.T) {
	const keep, slack = 5 * time.Second, time.Second / 2 // what a clock is made up for within
	args := []string{"--offload", "/both/*,both", "--tasks", "--offload-keep", "5", "--env", "CRON=*/2 * * * * *"}
	j := startJobs(t, 0, args...) // which runs nothing itself
	j.offloadInside(t)
	var skewed []*server
	path := filepath.Join(j.dir, "girin")
	if out, err := exec.Command("go", "build", "-o", path, "-ldflags", "-X girin/internal/serve.skewFrom=SKEW", "girin/cmd/girin").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	t.Setenv("GIRIN", path)
	began := time.Now() // what is scheduled runs from the first of them on
	for _, skew := range []string{"1h", "-1h"} {
		all := append([]string{"--offload-connect", j.scheme + j.queue, "--offload-slots", "1"}, args...)
		s := startApp(t, "jobs", options{args: append(all, j.common...), env: []string{"RUNS=" + j.runs, "SKEW=" + skew}})
		s.wait(t, "Jobs: connected")
		skewed = append(skewed, s)
	}
	asked := append([]*server{j.front}, skewed...)

	// Each of them accepts a job, which one of the wrong ones runs; and all agree how long its
	// result is there.
	for _, s := range asked {
		front := j.front
		j.front = s
		job := j.accept(t, "GET", "/both/x?expires", nil)
		now := j.ended(t, job)
		ended := now.Ended
		if j.front = front; now.Status != "done" || time.Since(ended).Abs() > limit {
			t.Fatalf("%+v", now)
		}
		time.Sleep(time.Until(ended.Add(keep - time.Second)))
		for _, reader := range asked {
			if a := <-reader.ask("GET", job.Result, nil); a.status != 200 && time.Since(ended) < keep-slack {
				t.Errorf("it is gone after %v: %+v", time.Since(ended), a)
			}
		}
		time.Sleep(time.Until(ended.Add(keep + time.Second)))
		for _, reader := range asked {
			if a := <-reader.ask("GET", job.Result, nil); a.status != 410 {
				t.Errorf("it is there after %v: %+v", time.Since(ended), a)
			}
		}
	}

	_, text := j.inside(t, "POST", "/tasks", `{"task":"jobs:echo","args":["late"],"delay":2}`)
	job := acceptedOf(t, answer{body: text})
	var told struct {
		Status                string
		Created, Began, Ended time.Time
	}
	eventually(t, "the delayed one has ended", func() bool {
		j.insideJSON(t, "/jobs/"+job.ID+"?wait=5", &told)
		return told.Status == "done"
	})
	if wait := told.Began.Sub(told.Created); wait < 2*time.Second-slack || wait > limit {
		t.Errorf("it was to wait for 2 s, and has waited for %v", wait)
	}
	if age := time.Since(told.Ended); age < -slack || age > limit {
		t.Errorf("it has ended %v ago", age)
	}
	eventually(t, "it has run three times by itself", func() bool { return j.count("tick") >= 3 })
	if n, most := len(j.tasks(t)), int(time.Since(began)/(2*time.Second))+2; n > most {
		t.Errorf("it was begun %d times in %v", n, time.Since(began))
	}
}
