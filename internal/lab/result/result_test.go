package result

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"girin/internal/lab/plan"
)

const source = `app: app:app
subjects: [girin, gunicorn]
matrix: {workers: 1, threads: 1, class: [sync]}
endpoints: [{path: /}]
loads: [{requests: 1, clients: 1}]
`

func create(t *testing.T) *Folder {
	t.Helper()
	f, err := Create(filepath.Join(t.TempDir(), "a", "b"), []byte(source), Machine{UsableCores: 2, Planned: 2})
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func run(subject, body string) Run {
	s := plan.Setting{Subject: subject, Workers: 1, Threads: 1, Class: "sync"}
	return Run{Visit: "1/" + s.ID(), Setting: s, Scenario: "/", Phase: "/", Stream: "/", Body: body, OK: 1, Rate: 10}
}

func TestFolderRoundTrip(t *testing.T) {
	f := create(t)
	want := []Run{run("girin", ""), run("gunicorn", "")}
	if err := f.Append(want); err != nil {
		t.Fatal(err)
	}
	g, err := Open(f.Dir)
	if err != nil {
		t.Fatal(err)
	}
	same := func(a, b Run) bool { return a.Visit == b.Visit && a.Rate == b.Rate && a.Setting.ID() == b.Setting.ID() }
	if !slices.EqualFunc(g.Runs, want, same) || g.Machine.Planned != 2 || string(g.Source) != source {
		t.Errorf("read back %+v, %+v", g.Runs, g.Machine)
	}
	if !g.Done()["1/girin sync 1x1"] || g.Done()["2/girin sync 1x1"] {
		t.Errorf("done: %v", g.Done())
	}
}

// A crash in the middle of a line must cost that line and nothing else.
func TestTornLine(t *testing.T) {
	f := create(t)
	if err := f.Append([]Run{run("girin", "")}); err != nil {
		t.Fatal(err)
	}
	path := f.Path(runsName)
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, append(whole, whole[:20]...), 0o666); err != nil {
		t.Fatal(err)
	}
	g, err := Open(f.Dir)
	if err != nil || len(g.Runs) != 1 {
		t.Fatalf("%d runs, %v", len(g.Runs), err)
	}
	if err := g.Repair(); err != nil {
		t.Fatal(err)
	}
	if err := g.Append([]Run{run("gunicorn", "")}); err != nil {
		t.Fatal(err)
	}
	if g, err = Open(f.Dir); err != nil || len(g.Runs) != 2 {
		t.Errorf("after repair: %d runs, %v", len(g.Runs), err)
	}
}

func TestCreateDoesNotOverwrite(t *testing.T) {
	f := create(t)
	if _, err := Create(f.Dir, []byte(source), Machine{}); err == nil {
		t.Error("an existing folder was taken")
	}
}

func TestOpenSaysWhatIsWrong(t *testing.T) {
	if _, err := Open(t.TempDir()); err == nil || !strings.Contains(err.Error(), "is no results folder") {
		t.Errorf("got %v", err)
	}
	f := create(t)
	if err := os.WriteFile(f.Path(runsName), []byte("{}\nnonsense\n"), 0o666); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(f.Dir); err == nil || !strings.Contains(err.Error(), "runs.jsonl: line 2") {
		t.Errorf("got %v", err)
	}
}

func TestOtherBodiesDoNotCount(t *testing.T) {
	runs := []Run{run("girin", "a"), run("gunicorn", "b"), run("girin", "a"), run("granian", "")}
	judgeBodies(runs)
	for i, want := range []bool{true, false, true, true} {
		if valid := runs[i].Invalid == ""; valid != want {
			t.Errorf("run %d: valid %v, want %v", i, valid, want)
		}
	}
}

func TestCSV(t *testing.T) {
	var out strings.Builder
	r := run("girin", "")
	r.Invalid = `failed, "badly"`
	if err := writeCSV(&out, []Run{r}); err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(out.String(), "\n")
	if !strings.HasPrefix(lines[0], "setting,subject,worker_class,workers,threads,") {
		t.Errorf("head: %s", lines[0])
	}
	if !strings.HasPrefix(lines[1], "girin sync 1x1,girin,sync,1,1,") || !strings.HasSuffix(lines[1], `,false,"failed, ""badly"""`) {
		t.Errorf("row: %s", lines[1])
	}
}

func FuzzDecodeRuns(f *testing.F) {
	f.Add("{\"visit\":\"1/x\"}\n{")
	f.Fuzz(func(t *testing.T, text string) {
		if runs, err := decodeRuns(strings.NewReader(text)); err == nil && len(runs) > strings.Count(text, "\n") {
			t.Errorf("%d runs from %q", len(runs), text)
		}
	})
}
