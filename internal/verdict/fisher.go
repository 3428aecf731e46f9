package verdict

import "math"

// FisherMore is the probability that of n requests k or more fail, where of m others j did, if both kinds fail alike: the
// one-sided exact test of a table of four (Fisher 1935), true for counts however small.
func FisherMore(k, n, j, m int64) float64 {
	if k < 0 || j < 0 || k > n || j > m {
		return math.NaN()
	}
	sum := 0.0
	all := logChoose(n+m, k+j)
	for i := k; i <= min(n, k+j); i++ {
		if k+j-i <= m {
			sum += math.Exp(logChoose(n, i) + logChoose(m, k+j-i) - all)
		}
	}
	return min(sum, 1)
}

func logChoose(n, k int64) float64 {
	of := func(v int64) float64 {
		l, _ := math.Lgamma(float64(v) + 1)
		return l
	}
	return of(n) - of(k) - of(n-k)
}
