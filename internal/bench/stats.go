package bench

import (
	"math"
	"slices"

	hdr "github.com/HdrHistogram/hdrhistogram-go"
)

// Histograms count microseconds up to an hour with three significant digits; what is longer counts as an hour.
const (
	histogramMax    = 3600 * 1e6
	histogramDigits = 3
)

func newHistogram() *hdr.Histogram { return hdr.New(1, histogramMax, histogramDigits) }

// tally counts values of one metric without keeping them.
type tally struct {
	hist     *hdr.Histogram
	n        int64
	sum, sq  float64 // of milliseconds
	min, max int64
}

func (t *tally) add(ns int64) {
	if t.n == 0 {
		t.hist = newHistogram()
		t.min, t.max = ns, ns
	}
	t.n++
	ms := float64(ns) / 1e6
	t.sum += ms
	t.sq += ms * ms
	t.min, t.max = min(t.min, ns), max(t.max, ns)
	_ = t.hist.RecordValue(microseconds(ns)) // within bounds by construction
}

func microseconds(ns int64) int64 { return min(max((ns+500)/1000, 0), histogramMax) }

func (t *tally) merge(o *tally) {
	switch {
	case o.n == 0:
	case t.n == 0:
		*t = *o
	default:
		t.hist.Merge(o.hist)
		t.n += o.n
		t.sum += o.sum
		t.sq += o.sq
		t.min, t.max = min(t.min, o.min), max(t.max, o.max)
	}
}

// tallies has a tally for each metric of successes.
type tallies [metrics]tally

func (t *tallies) add(s *sample, open bool) {
	if s.kind != Succeeded {
		return
	}
	for m := range metrics {
		if v, ok := m.of(s, open); ok {
			t[m].add(v)
		}
	}
}

// series is all there is to know about one metric: either every value, sorted, or a tally.
type series struct {
	values []int64 // ns, sorted
	tally  *tally  // nil if values is complete
}

// newSeries collects metric m. beyond is nil if all samples were kept.
func newSeries(m metric, samples []sample, beyond *tallies, open bool) series {
	var s series
	if beyond != nil {
		s.tally = &beyond[m]
	}
	for i := range samples {
		v, ok := m.of(&samples[i], open)
		switch {
		case !ok || samples[i].kind != Succeeded:
		case s.tally != nil:
			s.tally.add(v)
		default:
			s.values = append(s.values, v)
		}
	}
	slices.Sort(s.values)
	return s
}

func (s series) count() int64 {
	if s.tally != nil {
		return s.tally.n
	}
	return int64(len(s.values))
}

// quantile returns the smallest value that is not exceeded by the fraction q of all (the nearest rank), in nanoseconds.
func (s series) quantile(q float64) int64 {
	n := s.count()
	if n == 0 {
		return 0
	}
	return s.at(rank(q, n))
}

// at is the value at a rank among all, counted from 0, in nanoseconds.
func (s series) at(rank int64) int64 {
	switch {
	case s.tally == nil:
		return s.values[rank]
	case rank == s.tally.n-1:
		return s.tally.max
	}
	return s.tally.hist.ValueAtQuantile(100*float64(rank+1)/float64(s.tally.n)) * 1000
}

// rank is the index of the q-quantile among n sorted values. The small term keeps 0.99*100 from becoming rank 100.
func rank(q float64, n int64) int64 {
	r := int64(math.Ceil(q*float64(n) - 1e-9))
	return min(max(r, 1), n) - 1
}

// above counts the values above ns, with those that are equal to it if equal is true.
func (s series) above(ns int64, equal bool) int64 {
	if !equal {
		ns++
	}
	if s.tally == nil {
		i, _ := slices.BinarySearch(s.values, ns)
		return int64(len(s.values) - i)
	}
	var n int64
	for _, b := range s.tally.hist.Distribution() {
		if b.To*1000 >= ns {
			n += b.Count
		}
	}
	return n
}

// reported are the percentiles in a Result: ab's, and the two that ab lacks.
var reported = [...]float64{50, 66, 75, 80, 90, 95, 98, 99, 99.9, 99.99, 100}

// distribution sums s up.
func (s series) distribution() Distribution {
	n := s.count()
	if n == 0 {
		return Distribution{}
	}
	d := Distribution{Count: n, MedianMS: ms(s.quantile(0.5))}
	if t := s.tally; t != nil {
		d.MinMS, d.MaxMS, d.MeanMS = ms(t.min), ms(t.max), t.sum/float64(n)
		d.SDMS = math.Sqrt(max(0, (t.sq-t.sum*d.MeanMS)/float64(max(n-1, 1))))
	} else {
		d.MinMS, d.MaxMS = ms(s.values[0]), ms(s.values[n-1])
		d.MeanMS, d.SDMS = meanAndSD(s.values)
	}
	for _, p := range reported {
		needs := Needs(p)
		d.Percentiles = append(d.Percentiles, Percentile{P: p, MS: ms(s.quantile(p / 100)), Reliable: needs > 0 && n >= needs, Needs: needs})
	}
	return d
}

// meanAndSD returns the mean and the standard deviation in milliseconds.
func meanAndSD(values []int64) (mean, sd float64) {
	for _, v := range values {
		mean += ms(v)
	}
	mean /= float64(len(values))
	for _, v := range values {
		sd += (ms(v) - mean) * (ms(v) - mean)
	}
	return mean, math.Sqrt(sd / float64(max(len(values)-1, 1)))
}

// Needs is how many samples percentile p takes: as many as make the probability that all of them lie below the true
// percentile less than 5 %, which is p^n < 0.05. Zero for 100: no number is enough.
func Needs(p float64) int64 {
	if p >= 100 {
		return 0
	}
	return int64(math.Ceil(math.Log(0.05) / math.Log(p/100)))
}

func ms(ns int64) float64 { return float64(ns) / 1e6 }

// Logarithmic bins: ten for each power of ten, from 1 us.
const binsPerDecade = 10

func binOf(ns int64) int {
	return int(math.Floor(math.Log10(float64(max(ns, 1000))/1000) * binsPerDecade))
}

func binEdge(b int) float64 { return math.Pow(10, float64(b)/binsPerDecade) / 1000 }

// bins makes the histogram.
func (s series) bins() []Bin {
	counts := map[int]int64{}
	for _, v := range s.values {
		counts[binOf(v)]++
	}
	if s.tally != nil && s.tally.n > 0 {
		for _, b := range s.tally.hist.Distribution() {
			if b.Count > 0 {
				counts[binOf((b.From+b.To)/2*1000)] += b.Count
			}
		}
	}
	out := []Bin{}
	for b, n := range counts {
		out = append(out, Bin{FromMS: binEdge(b), ToMS: binEdge(b + 1), Count: n})
	}
	slices.SortFunc(out, func(a, b Bin) int { return int(math.Copysign(1, a.FromMS-b.FromMS)) })
	return out
}

// A run is cut into maxBatches batches for --against, and the median of a batch is that of batchSample of its requests.
const (
	maxBatches  = 30
	batchSample = 1000
)

// batches cuts the kept successes, in the order in which they ended, into equal parts.
func batches(samples []sample, open bool) []Batch {
	var latencies []int64
	for i := range samples {
		if samples[i].kind == Succeeded {
			v, _ := mLatency.of(&samples[i], open)
			latencies = append(latencies, v)
		}
	}
	n := min(len(latencies), maxBatches)
	out := make([]Batch, n)
	for i := range n {
		part := latencies[i*len(latencies)/n : (i+1)*len(latencies)/n]
		var some []int64
		for k := 0; k < len(part); k += len(part)/batchSample + 1 {
			some = append(some, part[k])
		}
		slices.Sort(some)
		out[i] = Batch{Count: int64(len(part)), MedianMS: ms(some[rank(0.5, int64(len(some)))])}
	}
	return out
}
