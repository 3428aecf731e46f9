package plan

import (
	"os"
	"strings"
	"testing"
)

// minimal is a plan in which each test breaks one thing. Its lines are counted in tests.
const minimal = `app: app:app
subjects:
  - girin
  - {name: other, command: "serve -p {port} -w {workers} {app}"}
matrix:
  workers: [1, 2*cores+1]
  threads: 2
  class: [sync]
endpoints:
  - {name: sleep, path: /sleep/1, kind: waiting, takes: 1s}
loads:
  - {requests: 32, clients: 16}
`

func TestParseMistakes(t *testing.T) {
	tests := []struct{ name, old, new, want string }{
		{"unknown key", "app: app:app", "app: app:app\nrepeat: 3", `p.yaml:2: unknown field "repeat"`},
		{"unknown key inside", "kind: waiting", "kinds: waiting", `p.yaml:10: unknown field "kinds"`},
		{"unknown server", "- girin", "- grin", `p.yaml:3: subjects[0]: unknown server "grin"`},
		{"bad expression", "2*cores+1", "2*core+1", `p.yaml:6: matrix.workers[1]: "2*core+1" is neither`},
		{"zero workers", "[1, 2*cores+1]", "[1, 0]", `p.yaml:6: matrix.workers[1]: "0" is 0, outside of 1`},
		{"bad placeholder", "{workers}", "{worker}", `p.yaml:4: subjects[1].command: unknown placeholder {worker}`},
		{"no port", "-p {port}", "", `p.yaml:4: subjects[1].command: the command does not use {port}`},
		{"bad kind", "kind: waiting", "kind: sleepy", `p.yaml:10: endpoints[0].kind: "sleepy" is not one of`},
		{"bad duration", "takes: 1s", "takes: soon", `p.yaml:10: soon is not a duration`},
		{"relative path", "/sleep/1", "sleep/1", `p.yaml:10: endpoints[0].path: "sleep/1" does not begin`},
		{"too few requests", "requests: 32", "requests: 8", `p.yaml:12: loads[0]: 8 requests are not enough`},
		{"two ends", "requests: 32", "requests: 32, duration: 1s", `p.yaml:12: loads[0]: requests and duration`},
		{"rate and clients", "requests: 32", "rate: 5", `p.yaml:12: loads[0]: rate is an open load`},
		{"app without callable", "app: app:app", "app: app", `p.yaml:1: app: "app" is not of the form`},
		{"not YAML", "app: app:app", "app: [", `p.yaml:1`},
		{"same name twice", "- girin", "- girin\n  - girin", `p.yaml:4: subjects[1]: the name "girin" is used twice`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			source := strings.Replace(minimal, tt.old, tt.new, 1)
			if source == minimal {
				t.Fatalf("%q does not occur", tt.old)
			}
			_, err := Parse("p.yaml", []byte(source), 2)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want %q in it", err, tt.want)
			}
		})
	}
}

// All mistakes of a plan are told at once, in the order of its lines, and each once.
func TestAllMistakesAtOnce(t *testing.T) {
	_, err := Parse("p.yaml", []byte(`app: app
subjects: [girin, grin]
matrix: {workers: [1, 2*core], threads: 2, class: [sync], colour: red}
endpoints:
  - {name: a, path: b, kind: sleepy}
  - {name: c, path: /c, takes: soon}
  - {nam: d, path: /d}
loads:
  - {requests: many, clients: 16}
  - {requests: 2, clients: 16}
repeat: 3
tell: much
`), 2)
	if err == nil {
		t.Fatal("no mistake was found")
	}
	want := []string{
		`p.yaml:1: app: "app" is not of the form`, `p.yaml:2: subjects[1]: unknown server "grin"`, `p.yaml:3: unknown field "colour"`,
		`p.yaml:3: matrix.workers[1]`, `p.yaml:5: endpoints[0].path`, `p.yaml:5: endpoints[0].kind`, `p.yaml:6: soon is not a duration`,
		`p.yaml:7: unknown field "nam"`, `p.yaml:9: `, `p.yaml:10: loads[1]: 2 requests are not enough`, `p.yaml:11: unknown field "repeat"`,
		`p.yaml:12: "much" is not a share`,
	}
	got := strings.Split(err.Error(), "\n")
	for i, w := range want {
		if i >= len(got) || !strings.HasPrefix(got[i], w) {
			t.Fatalf("line %d of\n%v\nwant %q", i+1, err, w)
		}
	}
	if len(got) != len(want) {
		t.Errorf("%d mistakes, want %d:\n%v", len(got), len(want), err)
	}
}

func TestExpand(t *testing.T) {
	p, err := Parse("p.yaml", []byte(minimal+"control: {subject: girin, class: auto}\nsettings: [{subject: girin, workers: 5, threads: 2, class: sync, recommended: true}]\n"), 2)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, s := range p.Expand(2) {
		id := s.ID()
		if s.Recommended {
			id += "*"
		}
		got = append(got, id)
	}
	want := "girin sync 1x2, girin sync 5x2*, other 1w, other 5w, girin auto, girin auto (again)"
	if s := strings.Join(got, ", "); s != want {
		t.Errorf("got  %s\nwant %s", s, want)
	}
}

func TestScheduleRunsEveryCellOncePerBlock(t *testing.T) {
	p, err := Parse("p.yaml", []byte(minimal+"repeats: 3\n"), 2)
	if err != nil {
		t.Fatal(err)
	}
	settings := p.Expand(2)
	visits := p.Schedule(settings)
	seen := map[string]bool{}
	for i, v := range visits {
		if want := i/len(settings) + 1; v.Block != want {
			t.Fatalf("visit %d is in block %d, want %d", i, v.Block, want)
		}
		if seen[v.Key()] {
			t.Errorf("%s twice", v.Key())
		}
		seen[v.Key()] = true
	}
	if len(visits) != 3*len(settings) {
		t.Errorf("%d visits, want %d", len(visits), 3*len(settings))
	}
	for i, v := range p.Schedule(settings) {
		if v.Key() != visits[i].Key() {
			t.Fatalf("the order of visit %d does not follow from the seed", i)
		}
	}
}

func TestBuiltInPlans(t *testing.T) {
	sizes := map[string]int{"article": 57, "article-full": 57, "mixed": 9, "phases": 7, "aa": 3}
	for _, name := range BuiltInNames() {
		text, err := BuiltIn(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, cores := range []int{1, 2, 64} {
			p, err := Parse(name, text, cores)
			if err != nil {
				t.Fatal(err)
			}
			if got := len(p.Expand(cores)); cores == 2 && got != sizes[name] {
				t.Errorf("%s: %d settings on 2 cores, want %d", name, got, sizes[name])
			}
		}
	}
}

func TestSlots(t *testing.T) {
	for _, tt := range []struct {
		s    Setting
		want int
	}{
		{Setting{Workers: 2, Threads: 4, Class: "sync"}, 8},
		{Setting{Workers: 4, Threads: 4, Class: "gevent"}, 0},
		{Setting{Class: "auto"}, 0},
		{Setting{Workers: 2, Threads: 4, Class: "gaiohttp", Server: "girin"}, 2},
		{Setting{Workers: 2, Threads: 4, Class: "gaiohttp", Server: "gunicorn"}, 8},
		{Setting{Threads: 4}, 4},
		{Setting{Workers: 5}, 5},
	} {
		if got := tt.s.Slots(); got != tt.want {
			t.Errorf("%+v: %d slots, want %d", tt.s, got, tt.want)
		}
	}
}

func TestFill(t *testing.T) {
	values := map[string]string{"host": "127.0.0.1", "port": "81", "workers": "2", "threads": "", "app": "a:b"}
	got := Fill(`serve -b {host}:{port} -w {workers} --threads {threads} {app} two\ words {unknown}`, values)
	want := []string{"serve", "-b", "127.0.0.1:81", "-w", "2", "a:b", "two words", "{unknown}"}
	if strings.Join(got, "|") != strings.Join(want, "|") {
		t.Errorf("got  %q\nwant %q", got, want)
	}
}

func TestEval(t *testing.T) {
	for _, tt := range []struct {
		in   Expr
		want int
		err  string
	}{
		{"", 0, ""}, {"3", 3, ""}, {"cores", 4, ""}, {"2*cores+1", 9, ""}, {"2 * (cores + 1) / 2 - 1", 4, ""},
		{"0", 0, "outside"}, {"cores-5", 0, "outside"}, {"1/0", 0, "division"}, {"9999999*9999999", 0, "number"},
		{"1048576*2", 0, "over"}, {"2*", 0, "expected"}, {"(2", 0, "missing )"}, {"2)", 0, "unexpected"},
		{Expr(strings.Repeat("(", 20) + "1"), 0, "nested"},
	} {
		got, err := tt.in.Eval(4)
		if got != tt.want || (err == nil) != (tt.err == "") || err != nil && !strings.Contains(err.Error(), tt.err) {
			t.Errorf("%q: %d, %v; want %d, %q", tt.in, got, err, tt.want, tt.err)
		}
	}
}

func FuzzEval(f *testing.F) {
	f.Add("2*cores+1")
	f.Add("((1)/cores)-3")
	f.Fuzz(func(t *testing.T, text string) {
		if n, err := Expr(text).Eval(8); err == nil && text != "" && (n < 1 || n > maxExpr) {
			t.Errorf("%q is %d", text, n)
		}
	})
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(minimal))
	f.Fuzz(func(t *testing.T, source []byte) {
		if p, err := Parse("p.yaml", source, 2); err == nil {
			p.Schedule(p.Expand(2))
		}
	})
}

// The plans of the documentation are plans, and the first is short.
func TestPlansOfTheDocumentation(t *testing.T) {
	text, err := os.ReadFile("../../../docs/LAB.md")
	if err != nil {
		t.Fatal(err)
	}
	blocks := strings.Split(string(text), "```yaml\n")[1:]
	if len(blocks) < 2 {
		t.Fatalf("%d plans", len(blocks))
	}
	for i, block := range blocks {
		source, _, _ := strings.Cut(block, "```")
		if _, err := Parse("LAB.md", []byte(source), 2); err != nil {
			t.Errorf("plan %d: %v", i+1, err)
		}
		if n := strings.Count(source, "\n"); i == 0 && n > 12 {
			t.Errorf("the first plan has %d lines", n)
		}
	}
}
