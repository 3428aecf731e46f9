package lab

import (
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"

	"girin/internal/lab/result"
)

// stampHeader is what the wrapper around the app adds to each response.
const stampHeader = "X-Girin-Lab"

// A request is one line of girin bench's CSV. Times are in milliseconds since the start.
type request struct {
	scheduled, sent, done float64
	ok                    bool
	begin, end            int64 // of the app, in ns of CLOCK_MONOTONIC; 0 if unknown
}

// The CSV's columns that are read.
const (
	columnScheduled = "scheduled_ms"
	columnSent      = "sent_ms"
	columnDone      = "done_ms"
	columnError     = "error"
)

// readRequests reads a CSV of girin bench.
func readRequests(path string) ([]request, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	requests, err := parseRequests(file)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return requests, nil
}

func parseRequests(r io.Reader) ([]request, error) {
	lines := csv.NewReader(r)
	lines.ReuseRecord = true
	head, err := lines.Read()
	if err != nil {
		return nil, err
	}
	at := map[string]int{}
	for _, name := range []string{columnScheduled, columnSent, columnDone, columnError, strings.ToLower(stampHeader)} {
		i := slices.IndexFunc(head, func(h string) bool { return strings.EqualFold(h, name) })
		if i < 0 {
			return nil, fmt.Errorf("no column %s", name)
		}
		at[name] = i
	}
	var all []request
	for {
		fields, err := lines.Read()
		if errors.Is(err, io.EOF) {
			return all, nil
		} else if err != nil {
			return nil, err
		}
		ms := func(name string) float64 {
			v, _ := strconv.ParseFloat(fields[at[name]], 64) // empty if it did not come to that
			return v
		}
		q := request{scheduled: ms(columnScheduled), sent: ms(columnSent), done: ms(columnDone), ok: fields[at[columnError]] == ""}
		q.begin, q.end = parseStamp(fields[at[strings.ToLower(stampHeader)]])
		all = append(all, q)
	}
}

// parseStamp reads "BEGIN END"; anything else is unknown.
func parseStamp(value string) (begin, end int64) {
	first, second, _ := strings.Cut(value, " ")
	begin, err1 := strconv.ParseInt(first, 10, 64)
	end, err2 := strconv.ParseInt(second, 10, 64)
	if err1 != nil || err2 != nil || end < begin {
		return 0, 0
	}
	return begin, end
}

// stamps lays the app's times, which count from origin in ns, beside the client's.
func stamps(requests []request, origin int64) []result.Stamp {
	requests = requests[:min(len(requests), result.MaxStamps)]
	all := make([]result.Stamp, len(requests))
	for i, q := range requests {
		all[i] = result.Stamp{Sent: round(q.scheduled), Done: round(q.done), OK: q.ok}
		if q.begin > 0 && origin > 0 {
			all[i].Begin, all[i].End = round(float64(q.begin-origin)/1e6), round(float64(q.end-origin)/1e6)
		}
	}
	return all
}

// round keeps hundredths of a millisecond, which is more than a timeline shows.
func round(ms float64) float64 { return float64(int64(ms*100+0.5)) / 100 }

// appTimes returns the median and the shortest time within the app in milliseconds, 0 if
// there are no stamps.
func appTimes(requests []request) (median, shortest float64) {
	var times []float64
	for _, q := range requests {
		if q.ok && q.begin > 0 {
			times = append(times, float64(q.end-q.begin)/1e6)
		}
	}
	if len(times) == 0 {
		return 0, 0
	}
	slices.Sort(times)
	return times[len(times)/2], times[0]
}

// latenciesOf are those of the successes, sorted: in the open loop from when they were due.
func latenciesOf(requests []request, open bool) []float64 {
	var all []float64
	for _, q := range requests {
		switch {
		case q.ok && open:
			all = append(all, q.done-q.scheduled)
		case q.ok:
			all = append(all, q.done-q.sent)
		}
	}
	slices.Sort(all)
	return all
}

// answeredWithin counts the successes that ended within so many milliseconds.
func answeredWithin(requests []request, ms float64) int64 {
	var n int64
	for _, q := range requests {
		if q.ok && q.done <= ms {
			n++
		}
	}
	return n
}
