package chart

import (
	"math"
	"strconv"
)

// A scale maps values to pixels. Logarithmic ones begin at low > 0.
type scale struct {
	low, high float64 // values
	from, to  float64 // pixels
	log       bool
}

func (s scale) at(v float64) float64 {
	share := 0.0
	switch {
	case s.log:
		share = math.Log(max(v, s.low)/s.low) / math.Log(s.high/s.low)
	case s.high > s.low:
		share = (v - s.low) / (s.high - s.low)
	}
	return s.from + (s.to-s.from)*min(max(share, 0), 1)
}

// ticks are round values within the scale.
func (s scale) ticks() []float64 {
	if s.log {
		return s.powers()
	}
	var all []float64
	step := roundStep((s.high - s.low) / 5)
	for i := 0; float64(i)*step <= s.high*1.0001; i++ {
		all = append(all, float64(i)*step)
	}
	return all
}

// powers are the powers of ten, with their double and fivefold where there is room.
func (s scale) powers() []float64 {
	factors := []float64{1, 2, 5}
	if s.high/s.low > 1000 {
		factors = factors[:1]
	}
	var all []float64
	for p := math.Pow(10, math.Floor(math.Log10(s.low))); p <= s.high; p *= 10 {
		for _, f := range factors {
			if v := f * p; v >= s.low*0.9999 && v <= s.high*1.0001 {
				all = append(all, v)
			}
		}
	}
	return all
}

// roundStep is the least of 1, 2, 5 times a power of ten that is not below v.
func roundStep(v float64) float64 {
	if v <= 0 {
		return 1
	}
	power := math.Pow(10, math.Floor(math.Log10(v)))
	for _, m := range []float64{1, 2, 5} {
		if m*power >= v {
			return m * power
		}
	}
	return 10 * power
}

// linear is a scale from 0 to a little above the largest value.
func linear(largest, from, to float64) scale {
	if largest <= 0 {
		largest = 1
	}
	return scale{high: largest * 1.06, from: from, to: to}
}

// logarithmic is a scale between round values.
func logarithmic(low, high, from, to float64) scale {
	low = 1 / roundStep(1/low)
	high = roundStep(high)
	if high <= low {
		high = low * 10
	}
	return scale{low: low, high: high, from: from, to: to, log: true}
}

// Format writes a number with as many digits as people read: three, or all of an integer.
func Format(v float64) string {
	if v >= 1000 {
		return thousands(strconv.FormatFloat(v, 'f', 0, 64))
	}
	return strconv.FormatFloat(roundTo3(v), 'f', -1, 64)
}

func roundTo3(v float64) float64 {
	rounded, _ := strconv.ParseFloat(strconv.FormatFloat(v, 'g', 3, 64), 64)
	return rounded
}

func thousands(digits string) string {
	for i := len(digits) - 3; i > 0; i -= 3 {
		digits = digits[:i] + "," + digits[i:]
	}
	return digits
}
