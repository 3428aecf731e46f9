package engine

import (
	"fmt"
	"maps"
	"strings"
	"time"
)

// repeats bounds what is said over and over, as of a server that comes back each second with a
// wrong key, and of anybody who reaches the port. Lines are the same that differ in their numbers,
// and so are those of more kinds than can be told apart.
type repeats struct {
	lines map[string]*repeated
}

type repeated struct {
	since time.Time
	count int
}

const (
	repeatsMost  = 3 // of the same line
	repeatsEvery = 10 * time.Minute
	repeatsKinds = 100 // of lines that are told apart
)

// again reports whether a line is to be said now; more is what is said with it of those that
// were not.
func (r *repeats) again(line string, now time.Time) (more string, ok bool) {
	kind := strings.Map(func(c rune) rune {
		if '0' <= c && c <= '9' {
			return -1
		}
		return c
	}, line)
	if r.lines[kind] == nil && len(r.lines) >= repeatsKinds-1 {
		maps.DeleteFunc(r.lines, func(_ string, old *repeated) bool { return now.Sub(old.since) > repeatsEvery })
		if len(r.lines) >= repeatsKinds-1 {
			kind = ""
		}
	}
	was := r.lines[kind]
	if was == nil || now.Sub(was.since) > repeatsEvery {
		if was != nil && was.count > repeatsMost {
			more = fmt.Sprintf(" (and %d times more since %s)", was.count-repeatsMost, was.since.UTC().Format(time.TimeOnly))
		}
		if r.lines == nil {
			r.lines = map[string]*repeated{}
		}
		was = &repeated{since: now}
		r.lines[kind] = was
	}
	was.count++
	if was.count == repeatsMost {
		more += " (it is not said again for a while)"
	}
	return more, was.count <= repeatsMost
}
