package jobs

import (
	"encoding/json"
	"strconv"
	"testing"
	"time"

	"girin/internal/jobs/job"
)

// Keys are as many as records at most: the engine has each in its memory. None goes of which a job
// waits.
func TestOldKeysAreTrimmed(t *testing.T) {
	n, s := storeOf(t)
	ctx := t.Context()
	n.recordsMost, n.cfg.MaxJobs = 10, 5
	for i := range 30 {
		rec := &job.Record{ID: job.NewID(), Status: job.Done, Version: "1", Created: time.Now(), Ended: time.Now()}
		if i%10 == 3 {
			rec.Status = job.Queued
		}
		text, _ := json.Marshal(rec)
		if _, err := s.records.Create(ctx, rec.ID.String(), text); err != nil {
			t.Fatal(err)
		}
		key, _ := json.Marshal(keyed{ID: rec.ID.String()})
		if _, err := s.keys.Create(ctx, strconv.Itoa(i), key); err != nil {
			t.Fatal(err)
		}
		if _, err := s.uniques.Create(ctx, strconv.Itoa(i), key); err != nil {
			t.Fatal(err)
		}
	}
	n.trimKeys(ctx)
	for i := range 30 {
		_, err := s.keys.Get(ctx, strconv.Itoa(i))
		if isThere := err == nil; isThere != (i >= 20) {
			t.Errorf("a request's key %d: %v", i, err)
		}
		_, err = s.uniques.Get(ctx, strconv.Itoa(i))
		if isThere, wanted := err == nil, i >= 22 || i%10 == 3; isThere != wanted { // two of those that wait are older
			t.Errorf("a task's key %d: %v", i, err)
		}
	}
}
