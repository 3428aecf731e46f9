package bench

import (
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// SLOSpec is a parsed --slo: all clauses must hold.
type SLOSpec []sloClause

type sloClause struct {
	text   string
	metric string  // "p", "mean", "min", "max", "errors" or "rps"
	p      float64 // of "p"
	less   bool    // the value must be below the limit, else above
	limit  float64 // ms, fraction, or requests per second
}

var sloPattern = regexp.MustCompile(`^(p[0-9.]+|median|mean|min|max|errors|rps|rate)\s*(<=?|>=?)\s*([0-9.]+)\s*(us|ms|s|%)?$`)

// ParseSLO reads clauses such as "p99<200ms,errors<0.1%,rps>100".
func ParseSLO(s string) (SLOSpec, error) {
	var spec SLOSpec
	for text := range strings.SplitSeq(s, ",") {
		c, err := parseClause(strings.TrimSpace(text))
		if err != nil {
			return nil, fmt.Errorf("%q: %w", text, err)
		}
		spec = append(spec, c)
	}
	return spec, nil
}

func parseClause(text string) (sloClause, error) {
	m := sloPattern.FindStringSubmatch(text)
	if m == nil {
		return sloClause{}, fmt.Errorf("want something like p99<200ms, mean<1s, errors<0.1%% or rps>100")
	}
	c := sloClause{text: text, metric: m[1], less: m[2][0] == '<'}
	limit, err := strconv.ParseFloat(m[3], 64)
	if err != nil {
		return c, fmt.Errorf("%q is no number", m[3])
	}
	c.limit = limit
	unit := m[4]
	switch {
	case c.metric == "errors":
		if unit == "%" {
			c.limit /= 100
		} else if unit != "" {
			return c, fmt.Errorf("errors are a fraction or a percentage, not %s", unit)
		}
		return c, nil
	case c.metric == "rps" || c.metric == "rate":
		c.metric = "rps"
		if unit != "" {
			return c, fmt.Errorf("a rate has no unit")
		}
		return c, nil
	case c.metric == "median":
		c.metric, c.p = "p", 50
	case c.metric[0] == 'p':
		if c.p, err = strconv.ParseFloat(c.metric[1:], 64); err != nil || c.p <= 0 || c.p >= 100 {
			return c, fmt.Errorf("%s is no percentile between p0 and p100", c.metric)
		}
		c.metric = "p"
	}
	scale, err := time.ParseDuration("1" + unit)
	if err != nil {
		return c, fmt.Errorf("a time needs a unit: us, ms or s")
	}
	c.limit *= ms(int64(scale))
	return c, nil
}

// judge applies the clauses to a result.
func (spec SLOSpec) judge(res *Result) *SLO {
	out := &SLO{Verdict: Holds}
	for _, c := range spec {
		j := c.judge(res)
		out.Clauses = append(out.Clauses, j)
		switch {
		case j.Verdict == Fails:
			out.Verdict = Fails
		case j.Verdict == Undecided && out.Verdict != Fails:
			out.Verdict = Undecided
		}
	}
	return out
}

func (c sloClause) judge(res *Result) SLOClause {
	j := SLOClause{Clause: c.text}
	n := res.Latency.Count
	switch c.metric {
	case "errors":
		j.Value = float64(res.Requests.Failed) / float64(max(res.Requests.Done, 1))
		j.Verdict, j.Reason = c.judgeShare(res.Requests.Failed, res.Requests.Done, c.limit)
		return j
	case "rps":
		j.Value = res.Rate.OK
	case "mean":
		j.Value = res.Latency.MeanMS
	case "min":
		j.Value = res.Latency.MinMS
	case "max":
		j.Value = res.Latency.MaxMS
	case "p":
		// pX < limit says no more than that 100-X percent of all requests take the limit or longer.
		j.Value = ms(res.latency.quantile(c.p / 100))
		j.Verdict, j.Reason = c.judgeShare(res.latency.above(int64(c.limit*1e6)), n, 1-c.p/100)
		return j
	}
	switch {
	case n == 0 && c.metric != "rps":
		j.Verdict, j.Reason = Undecided, "no request succeeded"
	case c.less == (j.Value < c.limit):
		j.Verdict = Holds
	default:
		j.Verdict = Fails
	}
	return j
}

// judgeShare decides whether, where k of n requests were bad, the true share of bad ones is below the limit: with 95 %
// confidence on either side (Clopper and Pearson 1934), else it is undecided. With k = 0 that takes as many samples as Needs.
func (c sloClause) judgeShare(k, n int64, limit float64) (Verdict, string) {
	if n == 0 {
		return Undecided, "no request was done"
	}
	below := binomialCDF(k, n, limit) < 0.05              // so few would be unlikely at the limit
	above := k > 0 && 1-binomialCDF(k-1, n, limit) < 0.05 // so many would be
	if limit <= 0 {
		below, above = false, k > 0
	}
	switch {
	case below && c.less, above && !c.less:
		return Holds, ""
	case above && c.less, below && !c.less:
		return Fails, ""
	}
	return Undecided, fmt.Sprintf("%d requests are too few to tell", n)
}

// binomialCDF is the probability of at most k among n, each with probability p.
func binomialCDF(k, n int64, p float64) float64 {
	switch {
	case k >= n || p <= 0:
		return 1
	case p >= 1:
		return 0
	}
	lgN, _ := math.Lgamma(float64(n) + 1)
	var sum float64
	for i := k; i >= 0; i-- {
		a, _ := math.Lgamma(float64(i) + 1)
		b, _ := math.Lgamma(float64(n-i) + 1)
		term := math.Exp(lgN - a - b + float64(i)*math.Log(p) + float64(n-i)*math.Log1p(-p))
		sum += term
		if float64(i) < float64(n)*p && term < sum*1e-17 {
			break // the terms only get smaller from here on
		}
	}
	return min(sum, 1)
}
