package e2e_test

import (
	"fmt"
	"os"
	"strings"
	"testing"
)

// What must be true of jobs whatever fails. A ledger has what was asked for and what became
// of it, and the runs are what the application has noted itself, outside of Girin.
//
//	I1  an accepted job ends, in exactly one state
//	I2  what must not run twice is begun at most once; what is done was begun
//	I3  a result is what one run of that job has answered, and that run came to its end
//	I4  no job runs on a version that it is not for
//	I5  when all have ended nothing is left that waits (see leftOver)

// entry is one request, and what its client knows of it.
type entry struct {
	name     string
	once     bool     // it must not run twice
	accepted bool     // it was answered with 202
	ends     []string // the states in which it was seen after it had ended
	status   int      // of the answer, or of the result; 0: there is none
	worker   string   // who has answered, as the answer itself says
}

// run is one run of a request.
type appRun struct {
	name, worker string
	ended        bool
}

// runsIn reads what the application has noted.
func runsIn(t *testing.T, path string) (all []*appRun) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		f := strings.Fields(line)
		if len(f) < 4 {
			continue
		}
		switch f[0] {
		case "begin":
			all = append(all, &appRun{name: f[1], worker: f[3]})
		case "end":
			for _, r := range all {
				if r.name == f[1] && r.worker == f[3] && !r.ended {
					r.ended = true
					break
				}
			}
		}
	}
	return all
}

// violations says what is not as it must be.
func violations(ledger []entry, runs, others []*appRun) (all []string) {
	say := func(invariant string, e entry, what string, args ...any) {
		all = append(all, fmt.Sprintf("%s: %s %s: %+v", invariant, e.name, fmt.Sprintf(what, args...), e))
	}
	of := map[string][]*appRun{}
	for _, r := range runs {
		of[r.name] = append(of[r.name], r)
	}
	for _, e := range ledger {
		begun := len(of[e.name])
		if e.accepted {
			if len(e.ends) == 0 {
				say("I1", e, "has not ended")
			}
			for _, end := range e.ends {
				if end != e.ends[0] {
					say("I1", e, "has ended twice")
				}
			}
		}
		if e.once && begun > 1 {
			say("I2", e, "was begun %d times", begun)
		}
		if e.status == 200 && begun == 0 {
			say("I2", e, "was answered, and never begun")
		}
		if e.accepted && len(e.ends) > 0 && (e.ends[0] == "done") != (e.status == 200) {
			say("I3", e, "has a result of another kind than its state")
		}
		if e.status == 200 && !hasEnded(of[e.name], e.worker) {
			say("I3", e, "has a result that no run has made")
		}
	}
	for _, r := range others {
		all = append(all, fmt.Sprintf("I4: %s ran on another version", r.name))
	}
	return all
}

func hasEnded(runs []*appRun, worker string) bool {
	for _, r := range runs {
		if r.worker == worker && r.ended {
			return true
		}
	}
	return false
}

func TestTheModelKnowsWhatMustNotBe(t *testing.T) {
	ran := func(name, worker string) *appRun { return &appRun{name, worker, true} }
	for want, test := range map[string]struct {
		ledger       []entry
		runs, others []*appRun
	}{
		"": {
			ledger: []entry{
				{name: "a", accepted: true, ends: []string{"done", "done"}, status: 200, worker: "1"},
				{name: "b", accepted: true, once: true, ends: []string{"lost"}, status: 502}, {name: "c", status: 502}, {name: "d", status: 200, worker: "2"},
			},
			runs: []*appRun{ran("a", "2"), ran("a", "1"), {"b", "1", false}, ran("d", "2")},
		},
		"I1: a has not ended":                      {ledger: []entry{{name: "a", accepted: true}}},
		"I1: a has ended twice":                    {ledger: []entry{{name: "a", accepted: true, ends: []string{"lost", "done"}}}},
		"I2: a was begun 2 times":                  {ledger: []entry{{name: "a", once: true}}, runs: []*appRun{ran("a", "1"), ran("a", "2")}},
		"I2: a was answered, and never":            {ledger: []entry{{name: "a", status: 200, worker: "1"}}},
		"I3: a has a result of another":            {ledger: []entry{{name: "a", accepted: true, ends: []string{"lost"}, status: 200, worker: "1"}}, runs: []*appRun{ran("a", "1")}},
		"I3: a has a result that no run has made":  {ledger: []entry{{name: "a", status: 200, worker: "3"}}, runs: []*appRun{ran("a", "1"), {"a", "3", false}}},
		"I4: a ran on another version":             {others: []*appRun{ran("a", "1")}},
		"I3: b has a result of another kind than ": {ledger: []entry{{name: "b", accepted: true, ends: []string{"done"}, status: 502}}, runs: []*appRun{ran("b", "1")}},
	} {
		got := violations(test.ledger, test.runs, test.others)
		if want == "" && len(got) > 0 || want != "" && (len(got) == 0 || !strings.Contains(strings.Join(got, "\n"), want)) {
			t.Errorf("%q: %q", want, got)
		}
	}
}
