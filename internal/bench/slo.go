package bench

import (
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"
	"time"

	"girin/internal/verdict"
)

// SLOSpec is a parsed --slo: all clauses must hold.
type SLOSpec []sloClause

type sloClause struct {
	text   string
	metric string  // "p", "mean", "min", "max", "errors" or "rps"
	p      float64 // of "p"
	less   bool    // the value must be below the limit, else above
	equal  bool    // the limit itself is allowed
	limit  float64 // ms, fraction, or requests per second
}

// beyondAll is the latency of a failure, and of a percentile that falls among failures: above every limit, and a number that
// JSON can hold.
const beyondAll = verdict.Worst

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
	c := sloClause{text: text, metric: m[1], less: m[2][0] == '<', equal: len(m[2]) == 2}
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
		switch {
		case c.limit > 1:
			return c, fmt.Errorf("no share of errors is above 100 %%")
		case c.limit == 0 && c.less && !c.equal:
			return c, fmt.Errorf("no share of errors is below 0: errors<=0 allows none")
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
	done, failed := res.Requests.Done, res.Requests.Failed
	switch c.metric {
	case "errors":
		j.Value = float64(failed) / float64(max(done, 1))
		j.Verdict, j.Reason = c.judgeShare(failed, done, c.limit)
		return j
	case "p":
		// pX < limit says no more than that 100-X percent of all requests take the limit or longer; a failure does.
		j.Value = res.quantileOfAll(c.p / 100)
		j.Verdict, j.Reason = c.judgeShare(failed+res.latency.above(int64(c.limit*1e6), c.less != c.equal), done, 1-c.p/100)
		if j.Value == beyondAll && done > 0 {
			j.Reason = fmt.Sprintf("%d of %d requests failed, and a failure is above every limit", failed, done)
		}
		return j
	case "rps":
		j.Value = res.Rate.OK
	case "mean":
		j.Value = res.Latency.MeanMS
	case "min":
		j.Value = res.Latency.MinMS
	case "max":
		j.Value = res.Latency.MaxMS
	}
	if failed > 0 && (c.metric == "mean" || c.metric == "max") {
		j.Value = beyondAll
		j.Reason = Plural(int(failed), "request") + " failed, and a failure is above every limit"
	}
	switch {
	case done == 0 && c.metric != "rps":
		j.Verdict, j.Reason = Undecided, "no request was done"
	case c.holds(j.Value):
		j.Verdict = Holds
	default:
		j.Verdict = Fails
	}
	return j
}

// quantileOfAll is the q-quantile of latency in milliseconds where failures take longest.
func (res *Result) quantileOfAll(q float64) float64 {
	if done := res.Requests.Done; done > 0 {
		if r := rank(q, done); r < res.latency.count() {
			return ms(res.latency.at(r))
		}
		return beyondAll
	}
	return 0
}

func (c sloClause) holds(v float64) bool {
	return c.equal && v == c.limit || v != c.limit && c.less == (v < c.limit)
}

// judgeShare decides whether, where k of n requests were bad, the true share of bad ones is within the limit: with 95 %
// confidence on either side (Clopper and Pearson 1934), else it is undecided. With k = 0 that takes as many samples as Needs.
// No sample can show that a share is exactly none or all; limits of 0 and 1 are about the requests of this run.
func (c sloClause) judgeShare(k, n int64, limit float64) (Verdict, string) {
	if n == 0 {
		return Undecided, "no request was done"
	}
	if c.metric == "errors" && (limit <= 0 || limit >= 1) {
		if c.holds(float64(k) / float64(n)) {
			return Holds, ""
		}
		return Fails, ""
	}
	below := binomialCDF(k, n, limit) < 0.05              // so few would be unlikely at the limit
	above := k > 0 && 1-binomialCDF(k-1, n, limit) < 0.05 // so many would be
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
