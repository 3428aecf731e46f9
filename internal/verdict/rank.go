package verdict

import (
	"math"
	"slices"
)

// A Ranking is what can be said of the order of many things.
type Ranking struct {
	Order []int // indices of the samples, the best first by its geometric mean
	// Place is by index: 1 plus how many are certainly better. All places are right at once with 95 % confidence: those
	// that nobody can tell from the best share place 1. It is 0 of a sample with fewer than MinRuns values.
	Place  []int
	Spread Spread
	// P is Holm's adjusted probability that a pair of samples, by index, differs by chance.
	P [][]float64
}

// Rank compares each with each. Confidence is of all places together, whatever their number; the variances behind it are
// moderated ones (Noise), without which three or six runs could tell nothing among many settings.
func Rank(samples [][]float64, r Rule) Ranking {
	out := Ranking{Place: make([]int, len(samples)), P: make([][]float64, len(samples))}
	all := make([]sample, len(samples))
	floor, ceiling := bounds(samples, r)
	for i, values := range samples {
		out.Order = append(out.Order, i)
		out.P[i] = make([]float64, len(samples))
		if len(values) > 0 {
			all[i] = describe(logs(within(values, r, floor, ceiling)))
		}
	}
	var known []sample
	for _, x := range all {
		if x.n >= 2 {
			known = append(known, x)
		}
	}
	out.Spread = spreadOf(known)
	better := func(a, b int) bool {
		return all[a].n > 0 && (all[b].n == 0 || all[a].mean > all[b].mean == r.MoreIsBetter)
	}
	slices.SortStableFunc(out.Order, func(a, b int) int {
		switch {
		case all[a].n == all[b].n && all[a].mean == all[b].mean:
			return 0
		case better(a, b):
			return -1
		}
		return 1
	})
	out.place(all, r)
	return out
}

// place fills in P and Place.
func (out *Ranking) place(all []sample, r Rule) {
	var pairs [][2]int
	var ps []float64
	for i := range all {
		if all[i].n < MinRuns {
			continue
		}
		out.Place[i] = 1
		for j := range i {
			if all[j].n >= MinRuns {
				pairs = append(pairs, [2]int{i, j})
				ps = append(ps, difference(out.Spread.moderate(all[i]), out.Spread.moderate(all[j])).p(math.Log1p(r.Margin)))
			}
		}
	}
	for k, p := range Holm(ps) {
		i, j := pairs[k][0], pairs[k][1]
		out.P[i][j], out.P[j][i] = p, p
		if p >= 1-r.confidence() {
			continue
		}
		if all[i].mean > all[j].mean == r.MoreIsBetter {
			i, j = j, i
		}
		out.Place[i]++ // j is certainly better
	}
}

// bounds are what stands for values without a logarithm: far beyond everything seen.
func bounds(samples [][]float64, r Rule) (floor, ceiling float64) {
	floor, ceiling = math.Inf(1), 0
	for _, s := range samples {
		for _, v := range s {
			if !r.bad(v) {
				floor, ceiling = min(floor, v), max(ceiling, v)
			}
		}
	}
	if ceiling == 0 {
		return 1, 1
	}
	return floor / 1000, ceiling * 1000
}

func within(values []float64, r Rule, floor, ceiling float64) []float64 {
	out := slices.Clone(values)
	for i, v := range out {
		if r.bad(v) {
			out[i] = ceiling
			if r.MoreIsBetter {
				out[i] = floor
			}
		}
	}
	return out
}
