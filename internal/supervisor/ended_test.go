package supervisor

import (
	"testing"
	"time"

	"girin/internal/sched"
)

func TestTheLineOfAnEndNamesWhatEndedWithIt(t *testing.T) {
	var ran []sched.Running
	if got := withIt(ran); got != "; it ran no request" {
		t.Error(got)
	}
	ran = append(ran, sched.Running{Route: "GET /a", Age: 1250 * time.Millisecond})
	if got := withIt(ran); got != "; with it ended GET /a, which ran 1.2 s" {
		t.Error(got)
	}
	for i := range namedMost + 1 {
		ran = append(ran, sched.Running{Age: time.Duration(i+2) * time.Second})
	}
	ran[3].Route = "POST /oldest"
	ran[3].Age = time.Hour
	const some = "a request that nobody waited for"
	want := "; with it ended 7 requests: POST /oldest, which ran 3600.0 s, " + some + ", " + some + ", " + some + ", " + some + ", and 2 more"
	if got := withIt(ran); got != want {
		t.Error(got)
	}
}
