package bench

import (
	"fmt"
	"math"
	"math/rand/v2"
	"strconv"
	"strings"
	"sync"
	"time"
)

// RateCurve is how many requests per second an open loop sends: From at the start, To at the end, in a straight line.
type RateCurve struct {
	From, To float64
}

// ParseRate reads "R" or "A:B"; a rate is of a second, or says of what: 6000/1m.
func ParseRate(s string) (RateCurve, error) {
	from, to, ramp := strings.Cut(s, ":")
	if !ramp {
		to = from
	}
	a, errA := perSecond(from)
	b, errB := perSecond(to)
	if errA != nil || errB != nil {
		return RateCurve{}, fmt.Errorf("%q is neither a rate such as 100 nor a ramp such as 10:200", s)
	}
	r := RateCurve{a, b}
	if err := r.check(); err != nil {
		return RateCurve{}, err
	}
	if !r.open() {
		return RateCurve{}, fmt.Errorf("a rate of %s sends nothing", s)
	}
	return r, nil
}

// perSecond reads 100, or as vegeta has it 100/s or 6000/1m.
func perSecond(text string) (float64, error) {
	number, period, has := strings.Cut(text, "/")
	n, err := strconv.ParseFloat(number, 64)
	if err != nil || !has {
		return n, err
	}
	if period != "" && (period[0] < '0' || period[0] > '9') {
		period = "1" + period
	}
	d, err := time.ParseDuration(period)
	if err == nil && d <= 0 {
		err = strconv.ErrRange
	}
	return n / d.Seconds(), err
}

func (r RateCurve) open() bool { return r.From > 0 || r.To > 0 }

func (r RateCurve) check() error {
	for _, v := range []float64{r.From, r.To} {
		if v < 0 || v > 1e7 || math.IsNaN(v) {
			return fmt.Errorf("rate: %g is not between 0 and 1e7 requests per second", v)
		}
	}
	return nil
}

// timeOf is when u requests should have been sent, on a curve that takes the time over: the inverse of
//
//	hits(t) = From*t + (To-From)*t*t / (2*over)
//
// It is infinite for u that the curve never reaches (a ramp down to zero).
func (r RateCurve) timeOf(u float64, over time.Duration) time.Duration {
	switch {
	case u == 0:
		return 0
	case r.From == r.To:
		return seconds(u / r.From)
	}
	slope := (r.To - r.From) / over.Seconds()
	root := r.From*r.From + 2*slope*u
	if root < 0 {
		return math.MaxInt64
	}
	// The other form of the quadratic's solution: it loses no digits for small slopes and allows From = 0.
	return seconds(2 * u / (r.From + math.Sqrt(root)))
}

func seconds(s float64) time.Duration {
	if ns := s * 1e9; ns < math.MaxInt64 {
		return time.Duration(ns)
	}
	return math.MaxInt64
}

// schedule lists the arrivals of an open loop. Clients read it with cursors of their own; it is made in blocks as they
// come to need them, and the garbage collector takes a block when the last cursor has left it, so an endless run with a
// stalled client holds no more than the arrivals since the stall.
type schedule struct {
	curve    RateCurve
	over     time.Duration // no arrival at or after it; 0 is no limit
	requests int64         // no more arrivals than this; 0 is no limit

	mu   sync.Mutex // guards unit and making next blocks
	unit func() float64

	first *arrivals
}

const blockLen = 1024

// arrivals is one block. Its times are immutable, next is set once under the schedule's lock.
type arrivals struct {
	start int64 // index of times[0]
	times []time.Duration
	last  float64 // the block's last arrival on the unit scale
	end   bool    // no block follows

	next *arrivals // guarded by schedule.mu
}

// newSchedule places arrivals on a unit scale (equal gaps of 1, or exponential ones with mean 1) and bends that scale to the
// curve, which turns a unit Poisson process into one with that rate (Çinlar, Introduction to Stochastic Processes, 4.7).
func newSchedule(o Options) *schedule {
	s := &schedule{curve: o.Rate, over: o.Duration, requests: o.Requests, unit: func() float64 { return 1 }}
	start := -1.0 // equal gaps begin with an arrival at time 0
	if o.Poisson {
		s.unit = rand.New(rand.NewPCG(o.Seed, 0x706163650a)).ExpFloat64
		start = 0
	}
	s.first = s.make(0, start)
	return s
}

// make builds the block that starts at index start, after an arrival at last.
func (s *schedule) make(start int64, last float64) *arrivals {
	b := &arrivals{start: start, times: make([]time.Duration, 0, blockLen)}
	for len(b.times) < blockLen {
		last += s.unit()
		at := s.curve.timeOf(last, s.over)
		full := s.requests > 0 && start+int64(len(b.times)) >= s.requests
		if full || at == math.MaxInt64 || s.over > 0 && at >= s.over {
			b.end = true
			break
		}
		b.times = append(b.times, at)
	}
	b.last = last
	return b
}

// after returns the block that follows b, or nil.
func (s *schedule) after(b *arrivals) *arrivals {
	if b.end {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if b.next == nil {
		b.next = s.make(b.start+int64(len(b.times)), b.last)
	}
	return b.next
}

// cursor reads a schedule; it is owned by one goroutine and goes forward only.
type cursor struct {
	s     *schedule
	block *arrivals
}

// at returns when arrival i is due; false if there is none.
func (c *cursor) at(i int64) (time.Duration, bool) {
	for c.block != nil {
		if k := i - c.block.start; k < int64(len(c.block.times)) {
			return c.block.times[k], true
		}
		c.block = c.s.after(c.block)
	}
	return 0, false
}
