package e2e_test

import (
	"encoding/json"
	"strings"
	"syscall"
	"testing"
	"time"
)

// What is to run at its times does, once, however many servers there are.
func TestSchedulesBeginOneJobEachTime(t *testing.T) {
	cron := []string{"--env", "CRON=*/2 * * * * *"}
	began := time.Now()
	j := startJobs(t, 1, append(cron, "--tasks")...)
	j.offloadInside(t)
	j.join(t, 1, cron...)
	j.join(t, 1, cron...)
	put := func(schedules string) (status int) {
		status, _ = j.inside(t, "PUT", "/schedules", `{"schedules": [`+schedules+`]}`)
		return status
	}
	for _, schedule := range []string{
		`{"task": "jobs:tick", "cron": "* * * * *"}`, `{"task": "jobs:tick", "cron": "99 * * * * *"}`, `{"task": "tick", "cron": "* * * * * *"}`,
		`{"task": "jobs:tick", "cron": "* * * * * *", "tz": "Mars/Base"}`,
	} {
		if status := put(schedule); status != 422 {
			t.Errorf("%s: %d", schedule, status)
		}
	}
	eventually(t, "it has run three times", func() bool { return j.count("tick") >= 3 })
	eventually(t, "nothing is scheduled", func() bool {
		put("")
		_, text := j.inside(t, "GET", "/schedules", "")
		return !strings.Contains(text, "tick")
	})
	if n, most := len(j.tasks(t)), int(time.Since(began)/(2*time.Second))+2; n > most {
		t.Errorf("%d jobs were begun in %v", n, time.Since(began))
	}
}

// Job is what is told of one.
type Job struct {
	Route, Status string
	Created       time.Time
}

func (j *jobServers) tasks(t *testing.T) (all []Job) {
	t.Helper()
	var jobs struct{ Jobs []Job }
	j.insideJSON(t, "/jobs", &jobs)
	for _, job := range jobs.Jobs {
		if job.Route == "TASK jobs:tick" {
			all = append(all, job)
		}
	}
	return all
}

// The engine keeps schedules when it dies, and other servers begin what is due.
func TestSchedulesOutliveTheirEngine(t *testing.T) {
	j := startJobs(t, 1, "--tasks", "--env", "CRON=* * * * * *")
	j.offloadInside(t)
	eventually(t, "it runs", func() bool { return len(j.tasks(t)) > 0 })
	n := j.front.lineCount()
	_ = syscall.Kill(engineOf(t, j.front), syscall.SIGKILL)
	j.front.waitAfter(t, "Jobs: connected", n)
	before := time.Now()
	eventually(t, "it runs again", func() bool {
		for _, job := range j.tasks(t) {
			if job.Created.After(before) {
				return true
			}
		}
		return false
	})
	var all struct{ Schedules []map[string]any }
	_, text := j.inside(t, "GET", "/schedules", "")
	if err := json.Unmarshal([]byte(text), &all); err != nil || len(all.Schedules) != 1 || all.Schedules[0]["task"] != "jobs:tick" {
		t.Errorf("%s, %v", text, err)
	}
}
