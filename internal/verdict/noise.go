package verdict

import (
	"math"
	"slices"

	"gonum.org/v1/gonum/mathext"
)

// Spread is how much runs of one thing differ by themselves, learnt from runs of many things. Things differ in their noise
// too; Prior says how little, in runs' worth of knowledge: infinite if all are alike.
type Spread struct {
	SD    float64 // of the logarithm of a run: 0.03 is 3 %
	Prior float64 // degrees of freedom of what others say of one
	Known float64 // degrees of freedom that SD itself rests on
}

// leastSD is what clocks and counts make runs differ by, even where three happen to agree to the last digit.
const leastSD = 0.001

// fewestThings is how many must have been run before they say anything of each other's noise.
const fewestThings = 5

// Noise learns the spread from samples, one of each thing; those with fewer than two values say nothing. Values without a
// logarithm are left out. The method is that of moderated variances (Smyth 2004): each thing's variance is drawn towards
// the common one, as far as the things are alike.
func Noise(samples [][]float64, r Rule) Spread {
	var all []sample
	for _, s := range samples {
		s = slices.DeleteFunc(slices.Clone(s), r.bad)
		if len(s) >= 2 {
			all = append(all, describe(logs(s)))
		}
	}
	return spreadOf(all)
}

func spreadOf(all []sample) Spread {
	s := Spread{Prior: 0}
	var pooled float64
	for _, x := range all {
		s.Known += x.freedom
		pooled += x.freedom * x.variance
	}
	if s.Known == 0 {
		return s
	}
	s.SD = max(math.Sqrt(pooled/s.Known), leastSD)
	if len(all) < fewestThings {
		return s
	}
	// The logarithm of a variance of d degrees of freedom varies by trigamma(d/2); what it varies beyond that is the things'.
	var mean, expected float64
	e := make([]float64, len(all))
	for i, x := range all {
		half := x.freedom / 2
		e[i] = math.Log(max(x.variance, leastSD*leastSD)) - mathext.Digamma(half) + math.Log(half)
		mean += e[i] / float64(len(all))
		expected += trigamma(half) / float64(len(all))
	}
	beyond := -expected
	for _, v := range e {
		beyond += (v - mean) * (v - mean) / float64(len(all)-1)
	}
	if beyond <= 0 {
		s.Prior = math.Inf(1)
		return s
	}
	half := inverseTrigamma(beyond)
	s.Prior = 2 * half
	s.SD = max(math.Exp((mean+mathext.Digamma(half)-math.Log(half))/2), leastSD)
	return s
}

// moderate draws a sample's variance towards the common one.
func (s Spread) moderate(x sample) sample {
	switch {
	case math.IsInf(s.Prior, 1):
		x.variance, x.freedom = s.SD*s.SD, s.Known
	case s.Prior > 0:
		x.variance = (s.Prior*s.SD*s.SD + x.freedom*x.variance) / (s.Prior + x.freedom)
		x.freedom = min(s.Prior+x.freedom, s.Known)
	}
	x.variance = max(x.variance, leastSD*leastSD)
	return x
}

// Differ is by what factor, less 1, two more runs of one thing will differ at most, with 95 % probability: a prediction
// interval, of what will be seen next, and not a confidence interval of a mean.
func (s Spread) Differ() float64 {
	if s.Known == 0 {
		return math.Inf(1)
	}
	freedom := s.Known
	if s.Prior > 0 {
		freedom = min(s.Prior, s.Known)
	}
	return math.Expm1(quantile(1-(1-Confidence)/2, freedom) * s.SD * math.Sqrt2)
}

func trigamma(x float64) float64 { return mathext.Zeta(2, x) }

// inverseTrigamma halves an interval in logarithms: trigamma falls all the way.
func inverseTrigamma(y float64) float64 {
	low, high := math.Log(1e-3), math.Log(1e6)
	for range 60 {
		mid := (low + high) / 2
		if trigamma(math.Exp(mid)) > y {
			low = mid
		} else {
			high = mid
		}
	}
	return math.Exp(low)
}
