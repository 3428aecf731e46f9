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
	const keep = 4 * time.Second
	args := []string{"--offload", "/both/*,both", "--tasks", "--offload-keep", "4", "--env", "CRON=*/2 * * * * *"}
	j := startJobs(t, 0, args...) // which runs nothing itself
	j.offloadInside(t)
	var skewed []*server
	for _, skew := range []string{"1h", "-1h"} {
		path := filepath.Join(t.TempDir(), "girin")
		if out, err := exec.Command("go", "build", "-o", path, "-ldflags", "-X girin/internal/serve.skew="+skew, "girin/cmd/girin").CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		t.Setenv("GIRIN", path)
		all := append([]string{"--offload-connect", j.scheme + j.queue, "--offload-slots", "1"}, args...)
		s := startApp(t, "jobs", options{args: append(all, j.common...), env: []string{"RUNS=" + j.runs}})
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
		if now := j.ended(t, job); now.Status != "done" {
			t.Fatalf("%+v", now)
		}
		ended := time.Now()
		j.front = front
		for _, reader := range asked {
			if a := <-reader.ask("GET", job.Result, nil); a.status != 200 {
				t.Errorf("a result that has just come: %+v", a)
			}
		}
		time.Sleep(time.Until(ended.Add(keep - time.Second)))
		for _, reader := range asked {
			if a := <-reader.ask("GET", job.Result, nil); a.status != 200 && time.Since(ended) < keep {
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
	if wait := told.Began.Sub(told.Created); wait < 2*time.Second || wait > 2*time.Second+limit/3 {
		t.Errorf("it was to wait for 2 s, and has waited for %v", wait)
	}
	if age := time.Since(told.Ended); age < -time.Second || age > limit {
		t.Errorf("it has ended %v ago", age)
	}
	eventually(t, "it has run three times by itself", func() bool { return j.count("tick") >= 3 })
	seen := map[int64]int{}
	for _, job := range j.tasks(t) {
		if seen[job.Created.Unix()/2]++; seen[job.Created.Unix()/2] > 1 {
			t.Errorf("there are two jobs of %v", job.Created)
		}
	}
}
