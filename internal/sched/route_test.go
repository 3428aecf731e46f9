package sched

import (
	"fmt"
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
		"/":               "/",
		"":                "",
		"/a":              "/a",
		"/a/":             "/a/",
		"/sleep/5":        "/sleep/*",
		"/sleep/0.25":     "/sleep/*",
		"/users/42/posts": "/users/*/posts",
		"/2024-11-21":     "/*",
		"/1.2.3.4":        "/1.2.3.4",
		"/v1/x":           "/v1/x",
		"/deadbeef":       "/deadbeef", // a word, as far as anyone can tell
		"/dead1beef":      "/*",
		"/face1":          "/face1",
		"/0123abcd":       "/*",
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

func TestTheRouteTableIsBounded(t *testing.T) {
	table := newRoutes()
	first := table.find([]byte("GET"), []byte("/name-0"))
	for i := range 3 * routeLimit {
		r := table.find([]byte("GET"), fmt.Appendf(nil, "/name-%d", i))
		if other := r.Name() == "other"; other != (i >= routeLimit) {
			t.Fatalf("route %d is %q", i, r.Name())
		}
	}
	if table.find([]byte("GET"), []byte("/name-0")) != first {
		t.Error("a route that was there is gone")
	}
	if n := table.count.Load(); n != routeLimit {
		t.Errorf("count %d, want %d", n, routeLimit)
	}
}

// What is known of one route in "other" says nothing of the next.
func TestOtherRoutesAreNeverQuick(t *testing.T) {
	table := newRoutes()
	for i := range routeLimit + 1 {
		table.find([]byte("GET"), fmt.Appendf(nil, "/name-%d", i))
	}
	other := table.find([]byte("GET"), []byte("/one-more"))
	for range 100 {
		other.observe(10)
	}
	if got := other.flags(); got&wire.Quick != 0 {
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
				r.observe(us)
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
	if n := testing.AllocsPerRun(1000, func() { table.find(method, path).observe(100) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func TestRoutesAreFoundConcurrently(t *testing.T) {
	table := newRoutes()
	const finders, names = 8, routeLimit + 200
	found := make([][]*Route, finders)
	var done sync.WaitGroup
	for f := range finders {
		done.Go(func() {
			for i := range names {
				// Each begins elsewhere, so that they race for new entries.
				r := table.find([]byte("GET"), fmt.Appendf(nil, "/name-%d", (i+f*names/finders)%names))
				r.observe(uint32(i))
				found[f] = append(found[f], r)
			}
		})
	}
	done.Wait()
	if n := table.count.Load(); n > routeLimit {
		t.Errorf("count %d, want at most %d", n, routeLimit)
	}
	seen := map[string]*Route{}
	for i := range table.table {
		if r := table.table[i].Load(); r != nil {
			if seen[r.Name()] != nil {
				t.Errorf("%s is there twice", r.Name())
			}
			seen[r.Name()] = r
		}
	}
	for _, routes := range found {
		for _, r := range routes {
			if r.Name() != "other" && seen[r.Name()] != r {
				t.Fatalf("%s was found and is not in the table", r.Name())
			}
		}
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
