package jobs

import (
	"testing"
	"time"
)

// A message may come sooner than its record: it waits for moments, and is given up only
// when nobody can be storing the record any more.
func TestARecordIsLookedForSoonAndForLong(t *testing.T) {
	var whole time.Duration
	for looked := uint64(1); looked <= orphanMost; looked++ {
		whole += orphanWait(looked)
	}
	if first := orphanWait(1); first > 20*time.Millisecond || whole <= aboutToBe {
		t.Errorf("the first after %v, the last after %v", first, whole)
	}
}
