package verdict

import "math"

// power is how probable it is that a difference which Tells names is found.
const power = 0.8

// Tells is the smallest difference, as a share, that so many repeats of so many things tell apart with a probability of
// 80 %, while all places are right at once with 95 % confidence. It is infinite with fewer than MinRuns repeats.
//
// It is what Rank finds in the first, hardest, of Holm's steps: Student's t at a level that is shared by all pairs, with the
// variances that Spread makes.
func Tells(s Spread, things, repeats int, r Rule) float64 {
	if repeats < MinRuns || things < 2 {
		return math.Inf(1)
	}
	own := float64(repeats - 1)
	x := sample{n: repeats, freedom: own, variance: s.SD * s.SD}
	s.Known = float64(things) * own
	s.Prior = learnt(s.Prior, things, own)
	x = s.moderate(x)
	g := difference(x, x)
	pairs := float64(things) * float64(things-1) / 2
	return math.Exp(g.se*(quantile(1-(1-r.confidence())/2/pairs, g.freedom)+quantile(power, g.freedom))+math.Log1p(r.Margin)) - 1
}

// learnt is the prior that an experiment will find. So many things tell how alike their noise is only to within the error of
// their own variances; where they are all alike, half of the experiments take them for less so.
func learnt(prior float64, things int, own float64) float64 {
	if things < fewestThings {
		return 0
	}
	return min(prior, 2*inverseTrigamma(trigamma(own/2)*math.Sqrt(2/float64(things))))
}

// mostRepeats bounds Repeats: what needs more is not worth an experiment.
const mostRepeats = 200

// Repeats is how many repeats it takes to tell a difference of that share; 0 if not even 200 do.
func Repeats(s Spread, things int, difference float64, r Rule) int {
	for n := MinRuns; n <= mostRepeats; n++ {
		if Tells(s, things, n, r) <= difference {
			return n
		}
	}
	return 0
}
