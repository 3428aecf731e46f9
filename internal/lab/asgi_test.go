package lab

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"girin/internal/lab/plan"
	"girin/internal/lab/result"
	"girin/internal/verdict"
)

const asgiPlan = `
name: asgi
app: asgi_under_test:app
chdir: testdata
interface: asgi
subjects: [girin, gunicorn, hypercorn]
matrix: {workers: 1, threads: [1, 4], class: [sync, gevent]}
endpoints:
  - {name: post, path: /post, headers: {X-Token: "a b"}, send: "one, two"}
  - {name: several, path: /, urls: testdata/several.urls}
  - {name: visit, path: /, scenario: testdata/visit.yaml}
  - {name: socket, path: /ws, websocket: true, send: hello}
loads:
  - {requests: 8, clients: 4}
  - {rate: 40, duration: 300ms, arrivals: poisson}
fresh: setting
warmup: {requests: 4, clients: 2}
`

// Every ASGI server runs the same application under the loads that a plan can say: a method,
// headers, a body, a file of targets, and arrivals at random.
func TestASGI(t *testing.T) {
	o := options(t, girin(t), filepath.Join(t.TempDir(), "results"))
	o.Source = []byte(asgiPlan)
	folder, err := Run(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	if len(folder.Machine.Skipped) > 0 {
		t.Fatalf("skipped: %v", folder.Machine.Skipped)
	}
	if len(folder.Runs) != 3*8 {
		t.Errorf("%d runs, want 8 of each server, which has one setting", len(folder.Runs))
	}
	bodies := map[string]string{}
	for _, r := range folder.Runs {
		if r.Invalid != "" && !strings.Contains(r.Invalid, "bottleneck") || r.OK == 0 || r.AppMS <= 0 && r.Stream != "socket" {
			t.Errorf("%s %s: %d requests, %v ms in the app: %s", r.Setting.ID(), r.Scenario, r.OK, r.AppMS, r.Invalid)
		}
		name, _, _ := strings.Cut(r.Scenario, " ")
		if name == "visit" {
			continue // its steps' answers differ
		}
		if want := bodies[name]; want != "" && r.Body != want {
			t.Errorf("%s %s: the servers sent different bodies", r.Setting.ID(), r.Scenario)
		}
		bodies[name] = r.Body
	}
	checkNoProcesses(t)
}

// The load generator's arguments say what the endpoint does.
func TestTargetArgs(t *testing.T) {
	dir := t.TempDir()
	source := filepath.Join(dir, "some.urls")
	text := "# two\n3=/a?b=c\nPOST http://elsewhere:80/items\nContent-Type: text/plain\n@item.txt\n/last\n"
	if err := os.WriteFile(source, []byte(text), 0o666); err != nil {
		t.Fatal(err)
	}
	base := filepath.Join(dir, "base")
	for _, tt := range []struct {
		e    plan.Endpoint
		want string
	}{
		{plan.Endpoint{Path: "/x"}, "http://h:1/x"},
		{plan.Endpoint{Path: "/x", Method: "PUT", Send: "b", Headers: map[string]string{"B": "2", "A": "1"}},
			"--method PUT --header A: 1 --header B: 2 --body b http://h:1/x"},
		{plan.Endpoint{Path: "/x", Method: "POST", SendFile: "f"}, "--method POST --body-file f http://h:1/x"},
		{plan.Endpoint{Path: "/x", Scenario: "v.yaml"}, "--scenario v.yaml http://h:1"},
		{plan.Endpoint{Path: "/x", URLs: source}, "--urls " + base + ".urls"},
	} {
		got, err := targetArgs(tt.e, "http://h:1", base)
		if err != nil || strings.Join(got, " ") != tt.want {
			t.Errorf("%+v: %q, %v; want %q", tt.e, got, err, tt.want)
		}
	}
	want := "# two\n3=http://h:1/a?b=c\nPOST http://h:1/items\nContent-Type: text/plain\n@" + dir + "/item.txt\nhttp://h:1/last\n"
	if got, err := os.ReadFile(base + ".urls"); err != nil || string(got) != want {
		t.Errorf("%v:\n%s\nwant\n%s", err, got, want)
	}
}

// What a stream leaves unanswered counts as slower than all it answered.
func TestTheUnansweredAreSlowest(t *testing.T) {
	open := plan.Stream{Load: plan.Load{Rate: 10}}
	answered := func(n int) (all []request) {
		for i := range n {
			all = append(all, request{scheduled: float64(i), sent: float64(i), done: float64(i) + float64(i+1), ok: true})
		}
		return all
	}
	for _, tt := range []struct {
		ok, failed, aborted int64
		want                float64
	}{{100, 0, 0, 99}, {100, 1, 0, 100}, {100, 2, 0, verdict.Worst}, {100, 0, 5, verdict.Worst}, {0, 0, 0, verdict.Worst}} {
		l := load{stream: open, requests: answered(int(tt.ok))}
		l.result.Requests.OK, l.result.Requests.Failed, l.result.Requests.Aborted = tt.ok, tt.failed, tt.aborted
		if got := dueP99(l); got != tt.want {
			t.Errorf("%d answered, %d failed, %d dropped: p99 %v, want %v", tt.ok, tt.failed, tt.aborted, got, tt.want)
		}
	}
	r := result.Run{Offered: 10, OK: 10, Aborted: 90, Latency: result.Latency{P99: 1}}
	if r.Metric() != verdict.Worst {
		t.Errorf("a run of an older lab: %v", r.Metric())
	}
}
