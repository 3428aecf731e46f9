package e2e_test

import (
	"bytes"
	"os"
	"path/filepath"
	"strconv"
	"testing"
)

// Where no file can be written, as in a container that is read-only, large jobs run all the same:
// a waiting client's body is not copied, and what must be kept is in memory.
func TestLargeJobsNeedNoDirectory(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "spool")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	j := startJobs(t, 1, "--offload", "/both/*,both", "--spool-dir", dir)
	j.offload(t, "both")
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	body := bytes.Repeat([]byte("girin"), 700_000)
	a := <-j.front.ask("POST", "/job/x?waits", bytes.NewReader(body))
	if a.err != nil || a.status != 200 || value(t, a.body, "length") != strconv.Itoa(len(body)) || value(t, a.body, "job") == "" {
		t.Errorf("who waits: %+v", a)
	}
	job := j.accept(t, "POST", "/both/x?accepted", bytes.NewReader(body))
	if now := j.ended(t, job); now.Status != "done" {
		t.Errorf("an accepted one: %+v", now)
	}
	if a := <-j.front.ask("GET", job.Result, nil); a.status != 200 || value(t, a.body, "length") != strconv.Itoa(len(body)) {
		t.Errorf("its answer: %+v", a)
	}
	job = j.accept(t, "GET", "/both/stream?large&4&700000", nil)
	if now := j.ended(t, job); now.Status != "done" {
		t.Errorf("one with a large answer: %+v", now)
	}
	if a := <-j.front.ask("GET", job.Result, nil); a.status != 200 || len(a.body) != 4*700_000 {
		t.Errorf("its answer: %d, %d bytes", a.status, len(a.body))
	}
}
