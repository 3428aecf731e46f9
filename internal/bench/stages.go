package bench

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Stages are how many clients of a closed loop are at work, stage after stage.
type Stages []Stage

// A Stage goes from From to To clients in a straight line.
type Stage struct {
	From, To int
	Takes    time.Duration
}

// ParseStages reads a list such as "10@30s,10:50@1m,0@10s": so many clients, or from so many to so many, for so long.
func ParseStages(s string) (Stages, error) {
	var all Stages
	for text := range strings.SplitSeq(s, ",") {
		clients, takes, ok := strings.Cut(strings.TrimSpace(text), "@")
		from, to, ramp := strings.Cut(clients, ":")
		if !ramp {
			to = from
		}
		d, err := time.ParseDuration(takes)
		a, errA := strconv.Atoi(from)
		b, errB := strconv.Atoi(to)
		if !ok || err != nil || errA != nil || errB != nil || d <= 0 || min(a, b) < 0 || max(a, b) > maxStage {
			return nil, fmt.Errorf("%q is not a stage such as 10@30s or 10:50@1m", text)
		}
		all = append(all, Stage{a, b, d})
	}
	if all.most() == 0 {
		return nil, fmt.Errorf("%q has no clients in it", s)
	}
	return all, nil
}

// String writes the stages as ParseStages reads them.
func (s Stages) String() string {
	var words []string
	for _, stage := range s {
		words = append(words, fmt.Sprintf("%d:%d@%v", stage.From, stage.To, stage.Takes))
	}
	return strings.Join(words, ",")
}

const maxStage = 100_000

// most is the largest number of clients.
func (s Stages) most() (n int) {
	for _, stage := range s {
		n = max(n, stage.From, stage.To)
	}
	return n
}

// takes is how long they take together.
func (s Stages) takes() (d time.Duration) {
	for _, stage := range s {
		d += stage.Takes
	}
	return d
}

// at is how many clients are at work at a moment; none after the last stage.
func (s Stages) at(t time.Duration) int {
	for _, stage := range s {
		if t < stage.Takes {
			return stage.From + int(float64(stage.To-stage.From)*t.Seconds()/stage.Takes.Seconds()+0.5)
		}
		t -= stage.Takes
	}
	return 0
}

// stageLook is how often a client that has nothing to do looks whether it has.
const stageLook = 10 * time.Millisecond

// resting reports whether the client is one too many now.
func (c *client) resting() bool {
	s := c.run.opts.Stages
	return len(s) > 0 && c.number >= s.at(time.Duration(c.now))
}

// rest waits until the client has something to do; false if that will not be.
func (c *client) rest() bool {
	if len(c.run.opts.Stages) == 0 {
		return false
	}
	c.hangUp() // whoever has left has no connection
	t := time.NewTicker(stageLook)
	defer t.Stop()
	for !c.run.stopped.Load() && c.now < c.run.limit {
		if !c.resting() {
			return c.claim()
		}
		select {
		case <-t.C:
		case <-c.run.ctx.Done():
		}
		c.now = c.run.now()
	}
	return false
}
