package workload

import (
	"bufio"
	"cmp"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
	"time"

	"girin/internal/bench"
)

// Entry is one line of an access log.
type Entry struct {
	Method, Path string    // the path with its query
	Status       int       // 0: the line does not say
	Time         time.Time // zero: it does not say
}

const (
	longestLine  = 64 << 10
	mostRoutes   = 20_000
	mostExamples = 1_000   // paths of one route that are told apart
	mostPaths    = 200_000 // of all routes; each has one at least
	mostMinutes  = 60 * 24 * 62
)

// FromAccessLog reads an access log in the combined format, which nginx and gunicorn write unless
// they are told otherwise, or of JSON objects, a line each. It may be compressed (.gz), and of any length.
func FromAccessLog(ctx context.Context, path string, allMethods bool) (*Workload, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	var in io.Reader = file
	if strings.HasSuffix(path, ".gz") {
		if in, err = gzip.NewReader(file); err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
	}
	w, err := readLog(ctx, in, path)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	if !allMethods {
		w.leaveRisky()
	}
	return w, w.complete(allMethods)
}

// tally counts what a log has.
type tally struct {
	routes   map[string]*routeTally
	paths    int // that are told apart
	log      Log
	failures int64
	minutes  map[int64]int64
	days     map[int]map[string]bool // by hour of the day: the days that have it
}

type routeTally struct {
	count     int64
	redirects int64 // of them
	method    string
	examples  map[string]int64
}

func readLog(ctx context.Context, in io.Reader, source string) (*Workload, error) {
	t := &tally{routes: map[string]*routeTally{}, minutes: map[int64]int64{}, days: map[int]map[string]bool{}}
	lines := bufio.NewReaderSize(in, longestLine)
	for {
		if cause := context.Cause(ctx); cause != nil {
			return nil, cause
		}
		line, err := lines.ReadSlice('\n')
		if errors.Is(err, bufio.ErrBufferFull) { // too long for a request that could be made
			t.log.Others++
			line = nil
		}
		for errors.Is(err, bufio.ErrBufferFull) {
			_, err = lines.ReadSlice('\n')
		}
		if len(line) > 0 && strings.TrimSpace(string(line)) != "" {
			t.add(string(line))
		}
		if errors.Is(err, io.EOF) {
			return t.workload(source)
		} else if err != nil {
			return nil, err
		}
	}
}

// add counts a line.
func (t *tally) add(line string) {
	e, ok := ParseLine(line)
	if !ok {
		t.log.Others++
		return
	}
	t.log.Lines++
	t.when(e.Time)
	if e.Status >= 400 || e.Status > 0 && e.Status < 200 {
		t.failures++
		return
	}
	name := Request{Method: e.Method, Path: e.Path}.Route()
	r := t.routes[name]
	if r == nil {
		if len(t.routes) >= mostRoutes {
			return
		}
		r = &routeTally{method: strings.Clone(e.Method), examples: map[string]int64{}}
		t.routes[name] = r
	}
	r.count++
	if e.Status >= 300 {
		r.redirects++
	}
	_, known := r.examples[e.Path]
	switch {
	case known:
		r.examples[e.Path]++
	case len(r.examples) == 0, len(r.examples) < mostExamples && t.paths < mostPaths:
		r.examples[strings.Clone(e.Path)] = 1 // not the whole line
		t.paths++
	}
}

func (t *tally) when(at time.Time) {
	if at.IsZero() {
		return
	}
	hour := at.Hour()
	t.log.Hours[hour]++
	if t.days[hour] == nil {
		t.days[hour] = map[string]bool{}
	}
	t.days[hour][at.Format(time.DateOnly)] = true
	minute := at.Unix() / 60
	if _, known := t.minutes[minute]; known || len(t.minutes) < mostMinutes {
		t.minutes[minute]++
	}
}

// workload takes of each route its most frequent paths, which share what the route has.
func (t *tally) workload(source string) (*Workload, error) {
	switch {
	case t.log.Lines == 0 && t.log.Others == 0:
		return nil, errors.New("it is empty")
	case t.log.Lines == 0:
		return nil, fmt.Errorf("none of its %d lines is one of an access log in the combined format or in JSON", t.log.Others)
	}
	w := &Workload{Source: source}
	for _, name := range slices.Sorted(maps.Keys(t.routes)) {
		w.Requests = append(w.Requests, t.routes[name].requests()...)
	}
	if t.failures > 0 {
		w.Left = append(w.Left, Left{bench.Plural(int(t.failures), "request"), "their status was not a success"})
	}
	for hour, days := range t.days {
		t.log.Rates[hour] = float64(t.log.Hours[hour]) / float64(len(days)) / 3600
	}
	for _, n := range t.minutes {
		t.log.Peak = max(t.log.Peak, float64(n)/60)
	}
	w.Log = &t.log
	return w, nil
}

func (r *routeTally) requests() (list []Request) {
	paths := slices.Sorted(maps.Keys(r.examples))
	slices.SortStableFunc(paths, func(a, b string) int { return cmp.Compare(r.examples[b], r.examples[a]) })
	paths = paths[:min(perRoute, len(paths))]
	var sum int64
	for _, p := range paths {
		sum += r.examples[p]
	}
	for _, p := range paths {
		list = append(list, Request{Method: r.method, Path: p, Share: float64(r.count) * float64(r.examples[p]) / float64(sum),
			Redirects: 2*r.redirects > r.count})
	}
	return list
}

// Busiest is the hour of the day with the most requests, and how many come in a second of it.
func (l *Log) Busiest() (hour int, rate float64) {
	for h, r := range l.Rates {
		if r > rate {
			hour, rate = h, r
		}
	}
	return hour, rate
}
