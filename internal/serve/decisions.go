package serve

import (
	"slices"
	"strings"
	"sync"
	"time"

	"girin/internal/control"
)

// decisions are the last ones of auto. Those that differ in their numbers alone are
// one, with the latest's text: a limit that follows the load would push out all
// others.
type decisions struct {
	mu    sync.Mutex
	last  []control.Decision // guarded by mu
	kinds []string           // guarded by mu: the texts without their numbers
}

const keptDecisions = 20

func (d *decisions) add(text string, now time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	next, kind := control.Decision{Time: now, First: now, Count: 1, Text: text}, kindOf(text)
	i := slices.Index(d.kinds, kind)
	if i >= 0 {
		next.First, next.Count = d.last[i].First, d.last[i].Count+1
	} else if len(d.last) == keptDecisions {
		i = 0
	}
	if i >= 0 {
		d.last, d.kinds = slices.Delete(d.last, i, i+1), slices.Delete(d.kinds, i, i+1)
	}
	d.last, d.kinds = append(d.last, next), append(d.kinds, kind)
}

// kindOf is a decision's text without the words that are numbers: those that begin
// with a digit, as no route's method or path does.
func kindOf(text string) string {
	words := strings.Fields(text)
	for i, word := range words {
		if digits := strings.TrimLeft(word, "("); digits != "" && '0' <= digits[0] && digits[0] <= '9' {
			words[i] = "#"
		}
	}
	return strings.Join(words, " ")
}

func (d *decisions) list() []control.Decision {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Clone(d.last)
}
