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

// Bounds of asking each request once.
const (
	longestAsk   = 30 * time.Second // for an answer
	leastAsk     = 5 * time.Second
	timeoutSlack = 2 * time.Second // the server gives a request up before its client does, and says so
	siftShare    = 0.25            // of the budget, for all of them
	leastSift    = time.Minute
)

// checkTimeout is how long one request may take before anything is measured.
func (s *servers) checkTimeout() time.Duration {
	return min(max(s.opts.Budget/20, leastAsk), longestAsk).Truncate(time.Second)
}

// givesUp are the options with which a server ends a request that hangs, so that those behind it are answered.
func (s *servers) givesUp() []string {
	return []string{"--timeout", strconv.Itoa(int(s.checkTimeout().Seconds()))}
}

// sift asks each request once, and drops from the workload what does not succeed. Behind one that hangs there is a
// fresh server, which anew starts, since the other may have nobody left to answer; it returns the last one. What the
// first failures have in common, the server's log says.
func (s *servers) sift(ctx context.Context, server *lab.Server, anew func(context.Context) (*lab.Server, error)) (*lab.Server, error) {
	began, limit := time.Now(), max(time.Duration(siftShare*float64(s.opts.Budget)), leastSift)
	why, said := make([]string, len(s.work.Requests)), ""
	for i, r := range s.work.Requests {
		if time.Since(began) > limit {
			why[i] = "no time was left to ask it once: a larger --budget has more"
			continue
		}
		res, err := bench.Run(ctx, bench.Options{Targets: s.targetsOf(server, r), Requests: 1, Timeout: s.checkTimeout() + timeoutSlack})
		if cause := context.Cause(ctx); cause != nil {
			return server, cause
		}
		if why[i] = s.hangs(res); why[i] != "" {
			said += server.Said()
			server.Stop()
			if server, err = anew(ctx); err != nil {
				return nil, err
			}
			continue
		}
		if why[i] = fault(res, err); why[i] == "" {
			why[i] = redirects(res, r)
		}
	}
	said += server.Said()
	if err := s.work.Drop(why); err != nil {
		if said != "" && !strings.Contains(said, "Ready after") {
			err = fmt.Errorf("%w\nthe end of the server's log%s", err, said)
		}
		return server, err
	}
	return server, nil
}

// hangs tells a request that was given up.
func (s *servers) hangs(res *bench.Result) string {
	switch {
	case res == nil:
		return ""
	case res.Errors[bench.ErrTimeout.String()] > 0, res.Statuses[504] > 0 && res.DurationS >= 0.9*s.checkTimeout().Seconds():
		return fmt.Sprintf("it is not answered within %v", s.checkTimeout())
	}
	return ""
}

// redirects says that a request leads elsewhere, where that is not what was asked for.
func redirects(res *bench.Result, r workload.Request) string {
	for _, status := range slices.Sorted(maps.Keys(res.Statuses)) {
		if status >= 300 && status < 400 && status != 304 && !r.Redirects {
			return fmt.Sprintf("it answers %d, a redirect: it may need a login, or another URL is meant; --urls FILE can ask for it, with headers below it", status)
		}
	}
	return ""
}

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
	case status == 401 || status == 403:
		return fmt.Sprintf("%d: it needs a login, for which a line below its URL in --urls FILE may have a header", status)
	case status >= 500:
		return fmt.Sprintf("%d: the application fails", status)
	}
	return fmt.Sprint(status)
}
