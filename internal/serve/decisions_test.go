package serve

import (
	"fmt"
	"testing"
	"time"
)

// A limit that follows the load does not push out what else was decided.
func TestDecisionsThatDifferInNumbersAreOne(t *testing.T) {
	var d decisions
	began := time.Unix(100, 0)
	d.add("4 workers instead of 3: requests wait unread and 0.7 of 2 cores are used", began)
	for i := range 3 * keptDecisions {
		at := began.Add(time.Duration(i) * time.Second)
		d.add(fmt.Sprintf("GET /v1/a: up to %d at once instead of %d (%d of 9 failed)", i+1, i, i), at)
		d.add(fmt.Sprintf("GET /v2/a: up to %d at once instead of %d (%d of 9 failed)", i+1, i, i), at)
	}
	list := d.list()
	if len(list) != 3 || list[0].Count != 1 {
		t.Fatalf("%d: %+v", len(list), list)
	}
	last := list[2]
	if last.Text != "GET /v2/a: up to 60 at once instead of 59 (59 of 9 failed)" || last.Count != 3*keptDecisions || last.Time.Sub(last.First) != 59*time.Second {
		t.Errorf("%+v", last)
	}
	for i := range 2 * keptDecisions {
		d.add(fmt.Sprintf("GET /x%c/: its own", 'a'+i), began)
	}
	if list = d.list(); len(list) != keptDecisions || len(d.kinds) != keptDecisions || list[keptDecisions-1].Text != fmt.Sprintf("GET /x%c/: its own", 'a'+2*keptDecisions-1) {
		t.Errorf("%d: %+v", len(list), list)
	}
}
