package sched

import (
	"fmt"
	"maps"
	"sync"
	"testing"
	"time"

	"girin/internal/wire"
)

func newRoutes() *routes {
	t := new(routes)
	t.init()
	return t
}

func TestPattern(t *testing.T) {
	tests := map[string]string{
		"/":                             "/",
		"":                              "",
		"/a":                            "/a",
		"/a/":                           "/a/",
		"/sleep/5":                      "/sleep/*",
		"/sleep/0.25":                   "/sleep/*",
		"/users/42/posts":               "/users/*/posts",
		"/2024-11-21":                   "/*",
		"/1.2.3.4":                      "/1.2.3.4",
		"/v1/x":                         "/v1/x",
		"/deadbeef":                     "/deadbeef", // a word, as far as anyone can tell
		"/dead1beef":                    "/*",
		"/face1":                        "/face1",
		"/j/m89pjpraen3m44h41n6q96qs14": "/j/*", // the name of a job, or a ULID
		"/j/01ARZ3NDEKTSV4RRFFQ69G5FAV": "/j/*",
		"/j/abcdefghijklmnopqrstuvwxyz": "/j/abcdefghijklmnopqrstuvwxyz",
		"/j/report_2024_of_november_01": "/j/report_2024_of_november_01",
		"/0123abcd":                     "/*",
		"/x/550e8400-e29b-41d4-a716-446655440000": "/x/*",
		"/X/550E8400-E29B-41D4-A716-446655440000": "/X/*",
		"//7":    "//*",
		"/-":     "/-",
		"/.":     "/.",
		"/a%2F1": "/a%2F1",
		"*":      "*",
		"/*":     "/*",
	}
	for path, want := range tests {
		if got := pattern([]byte(path)); got != want {
			t.Errorf("pattern(%q) = %q, want %q", path, got, want)
		}
	}
}

func TestARouteIsAMethodAndAPattern(t *testing.T) {
	table := newRoutes()
	find := func(method, path string) *Route { return table.find([]byte(method), []byte(path)) }
	r := find("GET", "/sleep/5")
	if r.Name() != "GET /sleep/*" {
		t.Errorf("name %q", r.Name())
	}
	for _, path := range []string{"/sleep/5", "/sleep/0.1", "/sleep/12345"} {
		if find("GET", path) != r {
			t.Errorf("%s has a route of its own", path)
		}
	}
	for _, other := range [][2]string{{"POST", "/sleep/5"}, {"GET", "/sleep/x"}, {"GET", "/sleep"}, {"GET", "/sleep/5/"}, {"GE", "T/sleep/5"}} {
		if find(other[0], other[1]) == r {
			t.Errorf("%v shares the route", other)
		}
	}
}

// ask is a request and its answer.
func (t *routes) ask(path string, status string) *Route {
	r := t.find([]byte("GET"), []byte(path))
	t.answered(r, status == "404").observe(100, 0)
	return r
}

func (t *routes) size() (n int) {
	t.visit(func(*Route) { n++ })
	return n
}

// A scanner's paths leave the table with their answers, and what was there stays.
func TestAScannerLeavesTheTableAsItWas(t *testing.T) {
	table := newRoutes()
	known := map[string]*Route{}
	for i := range 50 {
		path := fmt.Sprintf("/page-%c%c", 'a'+i/26, 'a'+i%26)
		known[path] = table.ask(path, "200")
	}
	before := table.size()
	for i := range 50_000 {
		r := table.ask(fmt.Sprintf("/wp-%dx/%dy", i, i*7), "404")
		if i > 100 && r.flags() != wire.Quick {
			t.Fatalf("new paths are not taken for missing: request %d", i)
		}
	}
	if n := table.size(); n != before+1 { // what is missing shares one
		t.Errorf("%d routes, before %d", n, before)
	}
	for path, r := range known {
		if table.find([]byte("GET"), []byte(path)) != r {
			t.Errorf("%s is forgotten", path)
		}
	}
	if n := table.missing.seen.Load(); n != 50_000 {
		t.Errorf("%d were missing", n)
	}
}

// A 404 of a route that answers otherwise is its own: /users/99.
func TestAMissingThingIsNotAMissingRoute(t *testing.T) {
	table := newRoutes()
	r := table.ask("/users/1", "200")
	if table.ask("/users/99", "404") != r || table.find([]byte("GET"), []byte("/users/2")) != r || r.seen.Load() != 2 {
		t.Errorf("%s has seen %d", r.Name(), r.seen.Load())
	}
}

// Of very many children of a parent those that are used keep their own routes.
func TestSlugsAreFolded(t *testing.T) {
	table := newRoutes()
	hot := table.ask("/posts/start", "200")
	for range 100 {
		table.ask("/posts/start", "200")
	}
	slug := func(i int) string { return fmt.Sprintf("/posts/on-%c%c%c", 'a'+i/676%26, 'a'+i/26%26, 'a'+i%26) }
	for i := range 1000 {
		table.ask(slug(i), "200")
	}
	one := table.find([]byte("GET"), []byte("/posts/on-the-weather"))
	if one.Name() != "GET /posts/*" || table.find([]byte("GET"), []byte(slug(7))) != one || one.seen.Load() < 900 {
		t.Errorf("%s has seen %d", one.Name(), one.seen.Load())
	}
	if table.find([]byte("GET"), []byte("/posts/start")) != hot {
		t.Error("what is used often has lost its route")
	}
	if r := table.find([]byte("GET"), []byte("/posts/on-the-weather/edit")); r.Name() != "GET /posts/*/edit" {
		t.Errorf("a child's child is %s", r.Name())
	}
	if r := table.find([]byte("POST"), []byte("/posts/on-the-weather")); r == one {
		t.Error("another method shares it")
	}
	if n := table.size(); n > foldFrom+5 {
		t.Errorf("%d routes", n)
	}
}

// An API of many endpoints that are all used is not folded.
func TestManyEndpointsKeepTheirRoutes(t *testing.T) {
	table := newRoutes()
	path := func(i int) string { return fmt.Sprintf("/api/get-%c%c", 'a'+i/26, 'a'+i%26) }
	for range 5 {
		for i := range foldFrom - 1 { // at its start each was used once
			table.ask(path(i), "200")
		}
	}
	for i := range 200 {
		for range 5 {
			table.ask(path(i), "200")
		}
	}
	for i := range 200 {
		if name := table.find([]byte("GET"), []byte(path(i))).Name(); name != "GET "+path(i) {
			t.Fatalf("%s is %s", path(i), name)
		}
	}
}

// However many there are, the table stays as large as it is, and routes under load
// stay in it.
func TestTheLeastUsedGo(t *testing.T) {
	table := newRoutes()
	var loaded []*Route
	for i := range 100 {
		path := fmt.Sprintf("/load/%c%c/x", 'a'+i/26, 'a'+i%26)
		loaded = append(loaded, table.ask(path, "200"))
		for range hot {
			table.ask(path, "200")
		}
	}
	for i := range 100_000 {
		table.ask(fmt.Sprintf("/%c%c%c/%c/x", 'a'+i/17576%26, 'a'+i/676%26, 'a'+i/26%26, 'a'+i%26), "200")
		if i%20 == 0 {
			table.ask(fmt.Sprintf("/load/%c%c/x", 'a'+i/20%100/26, 'a'+i/20%100%26), "200")
		}
	}
	for i, r := range loaded {
		if table.find([]byte("GET"), fmt.Appendf(nil, "/load/%c%c/x", 'a'+i/26, 'a'+i%26)) != r {
			t.Errorf("a route under load is forgotten: %s", r.Name())
		}
	}
	if n := table.size(); n > routeSets*routeWays {
		t.Errorf("%d routes", n)
	}
	if n := len(table.children); n > routeSets*routeWays {
		t.Errorf("%d parents are counted", n)
	}
}

// What is known of one route in "other" says nothing of the next.
func TestOtherRoutesAreNeverQuick(t *testing.T) {
	table := newRoutes()
	for range 100 {
		table.other.observe(10, 0)
	}
	if got := table.other.flags(); got&wire.Quick != 0 {
		t.Errorf("flags %b say Quick", got)
	}
}

func TestClassification(t *testing.T) {
	ms := func(n float64) uint32 { return uint32(n * float64(time.Millisecond/time.Microsecond)) }
	repeat := func(n int, us uint32) (s []uint32) {
		for range n {
			s = append(s, us)
		}
		return s
	}
	join := func(parts ...[]uint32) (s []uint32) {
		for _, p := range parts {
			s = append(s, p...)
		}
		return s
	}
	tests := map[string]struct {
		times []uint32
		want  wire.RequestFlags
	}{
		"nothing known":                      {nil, wire.Slow},
		"one quick":                          {[]uint32{ms(0.2)}, wire.Quick},
		"one below a millisecond":            {[]uint32{ms(0.999)}, wire.Quick},
		"one of a millisecond":               {[]uint32{ms(1)}, 0},
		"one slow":                           {[]uint32{ms(2)}, wire.Slow},
		"one slow in many":                   {join(repeat(31, ms(0.1)), []uint32{ms(5)}), wire.Quick},
		"a quarter slow":                     {join(repeat(24, ms(0.1)), repeat(8, ms(5))), 0},
		"half slow":                          {join(repeat(16, ms(0.1)), repeat(16, ms(5))), wire.Slow},
		"quick again":                        {join(repeat(32, ms(5)), repeat(40, ms(0.1))), wire.Quick},
		"a slow one after a long quick life": {join(repeat(1000, ms(0.1)), []uint32{ms(5)}), wire.Quick},
		"as long as can be":                  {[]uint32{1<<32 - 1}, wire.Slow},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			r := newRoutes().find([]byte("GET"), []byte("/"))
			for _, us := range test.times {
				r.observe(us, 0)
			}
			if got := r.flags(); got != test.want {
				t.Errorf("flags %b, want %b", got, test.want)
			}
		})
	}
}

func TestFindAllocatesNothing(t *testing.T) {
	table := newRoutes()
	method, path := []byte("GET"), []byte("/users/550e8400-e29b-41d4-a716-446655440000/posts/42")
	table.find(method, path)
	if n := testing.AllocsPerRun(1000, func() { table.find(method, path).observe(100, 0) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func TestRoutesAreFoundConcurrently(t *testing.T) {
	table := newRoutes()
	const finders, names = 8, 1200
	var done sync.WaitGroup
	for f := range finders {
		done.Go(func() {
			for i := range names {
				// Each begins elsewhere, so that they race for new entries.
				r := table.find([]byte("GET"), fmt.Appendf(nil, "/name-%d", (i+f*names/finders)%names))
				table.answered(r, i%3 == 0).observe(uint32(i), 0)
			}
		})
	}
	done.Wait()
	seen := map[string]*Route{}
	table.visit(func(r *Route) {
		if seen[r.Name()] != nil {
			t.Errorf("%s is there twice", r.Name())
		}
		seen[r.Name()] = r
	})
	counted := map[uint64]int{}
	table.visit(func(r *Route) {
		if r.proven.Load() && r != &table.missing {
			counted[r.parent]++
		}
	})
	if !maps.Equal(counted, table.children) {
		t.Errorf("children %v are counted, there are %v", table.children, counted)
	}
}

func BenchmarkFind(b *testing.B) {
	table := newRoutes()
	method, path := []byte("GET"), []byte("/users/42/posts")
	b.ReportAllocs()
	for b.Loop() {
		table.find(method, path)
	}
}
