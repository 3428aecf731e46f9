package tune

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"girin/internal/bench"
	"girin/internal/lab"
	"girin/internal/tune/workload"
)

// Bounds of looking at each request before anything is searched.
const (
	longestAsk   = 30 * time.Second // for an answer
	leastAsk     = 5 * time.Second
	leastHaste   = 500 * time.Millisecond // for an answer in the first round
	afterAnswer  = 2 * time.Second        // for what a server's log says of its failure
	timeoutSlack = 2 * time.Second        // the server gives a request up before its client does, and says so

	siftShare = 0.25 // of the budget, by whose end each request has been asked once
	leastSift = 15 * time.Second
	lookShare = 0.4 // by whose end each is known alone and in threads
	leastLook = 20 * time.Second
)

// checkTimeout is how long one request may take before anything is measured.
func (s *servers) checkTimeout() time.Duration {
	return min(max(s.opts.Budget/20, leastAsk), longestAsk).Truncate(time.Second)
}

// givesUp are the options with which a server ends a request that hangs, so that those behind it are answered.
func (s *servers) givesUp() []string {
	return []string{"--timeout", strconv.Itoa(int(s.checkTimeout().Seconds()))}
}

func (s *servers) siftLimit() time.Duration {
	return max(time.Duration(siftShare*float64(s.opts.Budget)), leastSift)
}

// sifting asks each request once.
type sifting struct {
	*servers
	server *lab.Server
	anew   func(context.Context) (*lab.Server, error)
	until  time.Time
	haste  time.Duration // how long the first round waits for an answer
	why    []string      // a request does not succeed; empty: it does
	said   string        // by the servers that were given up
}

// sift asks each request once, and drops from the workload what does not succeed: first with little patience, so that
// what hangs keeps nobody behind it from being asked, then what has not answered once more, while there is time. Behind
// one that hangs there is a fresh server, which anew starts, since the other may have nobody left to answer; the last one
// is returned. What the first failures have in common, the server's log says.
func (s *servers) sift(ctx context.Context, server *lab.Server, anew func(context.Context) (*lab.Server, error)) (*lab.Server, error) {
	limit, n := s.siftLimit(), len(s.work.Requests)
	q := &sifting{
		servers: s, server: server, anew: anew, until: time.Now().Add(limit), why: make([]string, n),
		haste: min(max(limit/time.Duration(2*n), leastHaste), s.checkTimeout()/4),
	}
	s.asked = map[string]*bench.Result{}
	if err := q.askAll(ctx); err != nil {
		return q.server, err
	}
	if err := s.work.Drop(q.why); err != nil {
		if said := q.explanation(); said != "" {
			err = fmt.Errorf("%w\nthe end of the server's log%s", err, said)
		}
		return q.server, err
	}
	return q.server, nil
}

// explanation is the end of the servers' logs, or empty where it tells no more than that the last one began. What it says
// of a failure may come after the answer.
func (q *sifting) explanation() string {
	failed := false
	for _, res := range q.asked {
		failed = failed || res != nil && slices.Max(append(slices.Collect(maps.Keys(res.Statuses)), 0)) >= 500
	}
	for until := time.Now().Add(afterAnswer); ; time.Sleep(50 * time.Millisecond) {
		if said := q.server.Said(); said != "" && !strings.Contains(said, "Ready after") {
			return q.said + said
		}
		if !failed || time.Now().After(until) {
			return ""
		}
	}
}

// askAll makes the two rounds.
func (q *sifting) askAll(ctx context.Context) error {
	var late []int
	for i := range q.why {
		if time.Until(q.until) <= 0 {
			q.why[i] = "no time was left to ask it once: a larger --budget has more"
			continue
		}
		answered, err := q.ask(ctx, i, q.haste)
		if err != nil {
			return err
		}
		if !answered {
			late = append(late, i)
		}
	}
	for _, i := range late {
		patience := min(q.checkTimeout(), time.Until(q.until))
		if patience <= q.haste {
			q.why[i] = fmt.Sprintf("it is not answered within %v, and no time was left to wait longer: a larger --budget has more", q.haste.Round(time.Millisecond))
			continue
		}
		answered, err := q.ask(ctx, i, patience)
		if err != nil {
			return err
		}
		if !answered {
			q.why[i] = fmt.Sprintf("it is not answered within %v", patience.Round(100*time.Millisecond))
		}
	}
	return nil
}

// ask makes one request and notes why it does not succeed. It reports false if there was no answer in time.
func (q *sifting) ask(ctx context.Context, i int, patience time.Duration) (answered bool, err error) {
	r := q.work.Requests[i]
	o := bench.Options{Targets: q.targetsOf(q.server, r), Requests: 1, Timeout: patience}
	if patience == q.checkTimeout() {
		o.Timeout += timeoutSlack
	}
	res, err := bench.Run(ctx, o)
	if cause := context.Cause(ctx); cause != nil {
		return false, cause
	}
	if hangs(res, patience) {
		q.said += q.server.Said()
		q.server.Kill()
		if q.server, err = q.anew(ctx); err != nil {
			return false, err
		}
		return false, nil
	}
	if q.why[i] = fault(res, err); q.why[i] == "" {
		q.why[i] = redirects(res, r)
	}
	q.asked[r.Name()] = res
	return true, nil
}

// hangs tells a request that was given up, by its client or by the server.
func hangs(res *bench.Result, patience time.Duration) bool {
	return res != nil && (res.Errors[bench.ErrTimeout.String()] > 0 || res.Statuses[504] > 0 && res.DurationS >= 0.9*patience.Seconds())
}

// redirects says that a request leads elsewhere, where that is not what was asked for.
func redirects(res *bench.Result, r workload.Request) string {
	for _, status := range slices.Sorted(maps.Keys(res.Statuses)) {
		if status >= 300 && status < 400 && status != 304 && !r.Redirects {
			return fmt.Sprintf("it answers %d, a redirect: %s", status, whyRedirects)
		}
	}
	return ""
}

const whyRedirects = "it may need a login, which --header 'Cookie: ...' can have, or HTTPS, which --header 'X-Forwarded-Proto: https' stands for; " +
	"--urls FILE can ask for it as it is"

// fault is why a request did not succeed, or empty.
func fault(res *bench.Result, err error) string {
	switch {
	case err != nil:
		return err.Error()
	case res.Requests.OK > 0:
		return ""
	}
	for _, status := range slices.Sorted(maps.Keys(res.Statuses)) {
		return "it answers " + statusText(status)
	}
	for _, kind := range slices.Sorted(maps.Keys(res.ErrorExamples)) {
		return res.ErrorExamples[kind]
	}
	return "it was not answered"
}

func statusText(status int) string {
	switch {
	case status == 404:
		return "404: there is no such URL"
	case status == 400:
		return "400: it refuses the request; Django does so if ALLOWED_HOSTS lacks the host, which --header 'Host: NAME' can name"
	case status == 401 || status == 403:
		return fmt.Sprintf("%d: it needs a login, which --header 'Cookie: ...' or 'Authorization: ...' can have", status)
	case status >= 500:
		return fmt.Sprintf("%d: the application fails", status)
	}
	return fmt.Sprint(status)
}
