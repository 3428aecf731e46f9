package bench

import (
	"bytes"
	"fmt"
	"io"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
)

// WriteText writes the report: first ab's lines with ab's names, order and rounding, so that what reads ab's output reads
// this, then what ab does not say.
func (res *Result) WriteText(w io.Writer) error {
	var b bytes.Buffer // whole, so that no character is cut in two on its way through the filter
	res.writeSummary(&b)
	res.writeTimes(&b)
	res.writeShares(&b)
	res.writeBeyond(&b)
	_, err := io.WriteString(w, Printable(b.String()))
	return err
}

func line(w io.Writer, name, format string, args ...any) {
	fmt.Fprintf(w, "%-24s%s\n", name, fmt.Sprintf(format, args...))
}

func (res *Result) writeSummary(w io.Writer) {
	line(w, "Server Software:", "%s", res.Server.Software)
	line(w, "Server Hostname:", "%s", res.Server.Hostname)
	line(w, "Server Port:", "%s", res.Server.Port)
	if res.Server.TLS != "" {
		line(w, "SSL/TLS Protocol:", "%s", res.Server.TLS)
	}
	fmt.Fprintln(w)
	line(w, "Document Path:", "%s", res.Server.Path)
	if res.Content.LengthsDiffer {
		line(w, "Document Length:", "Variable")
	} else {
		line(w, "Document Length:", "%d bytes", res.Server.DocumentLength)
	}
	fmt.Fprintln(w)
	n := res.Requests
	line(w, "Concurrency Level:", "%d", res.Load.Clients)
	line(w, "Time taken for tests:", "%.3f seconds", res.DurationS)
	line(w, "Complete requests:", "%d", n.Done)
	line(w, "Failed requests:", "%d", n.Failed)
	if n.Failed > 0 {
		fmt.Fprintf(w, "   (Connect: %d, Receive: %d, Length: %d, Exceptions: %d)\n", res.failures(ErrConnect, ErrTLS),
			res.failures(ErrReset, ErrEOF, ErrTimeout), res.failures(ErrTruncated),
			res.failures(ErrMalformed, ErrStatus, ErrRedirect, ErrCheck, ErrOther))
	}
	if n.Non2xx > 0 {
		line(w, "Non-2xx responses:", "%d", n.Non2xx)
	}
	if res.Load.KeepAlive {
		line(w, "Keep-Alive requests:", "%d", n.KeptAlive)
	}
	line(w, "Total transferred:", "%d bytes", res.Bytes.Received)
	line(w, "HTML transferred:", "%d bytes", res.Bytes.Body)
	res.writeRates(w)
}

func (res *Result) failures(kinds ...ErrorKind) (n int64) {
	for _, k := range kinds {
		n += res.Errors[k.String()]
	}
	return n
}

// writeRates writes the lines that everybody reads. The second time per request is the first one over the clients, as in ab.
func (res *Result) writeRates(w io.Writer) {
	line(w, "Requests per second:", "%.2f [#/sec] (mean)", res.Rate.OK)
	if res.Rate.OK > 0 {
		across := 1000 / res.Rate.OK
		perClient := across * float64(res.Load.Clients)
		if res.Load.Mode == "open" { // clients idle there: ab's formula would count that as time per request
			perClient = res.Latency.MeanMS
		}
		line(w, "Time per request:", "%.3f [ms] (mean)", perClient)
		line(w, "Time per request:", "%.3f [ms] (mean, across all concurrent requests)", across)
	}
	line(w, "Transfer rate:", "%.2f [Kbytes/sec] received", float64(res.Bytes.Received)/1024/res.DurationS)
	if res.Load.Requests > 0 && res.hasBodies() {
		fmt.Fprintf(w, "%-24s%.2f kb/s sent\n", "", float64(res.Bytes.Sent)/1024/res.DurationS)
	}
}

func (res *Result) hasBodies() bool {
	return slices.ContainsFunc(res.Targets, func(t TargetCount) bool { return t.BodyBytes > 0 })
}

// writeTimes writes ab's table, in whole milliseconds as ab does.
func (res *Result) writeTimes(w io.Writer) {
	if res.Latency.Count == 0 {
		return
	}
	fmt.Fprintf(w, "\nConnection Times (ms)\n              min  mean[+/-sd] median   max\n")
	row := func(name string, d Distribution) {
		if d.Count == 0 {
			return // of results that were merged from their JSON
		}
		fmt.Fprintf(w, "%-11s%6d %4d %5.1f %6d %7d\n", name, round(d.MinMS), round(d.MeanMS), d.SDMS, round(d.MedianMS), round(d.MaxMS))
	}
	row("Connect:", res.Phases.Connect)
	row("Processing:", res.Phases.Processing)
	row("Waiting:", res.Phases.Waiting)
	row("Total:", res.Latency)
}

func round(v float64) int64 { return int64(math.Round(v)) }

// abPercentiles are the ones that ab prints.
var abPercentiles = [...]float64{50, 66, 75, 80, 90, 95, 98, 99, 100}

func (res *Result) writeShares(w io.Writer) {
	if res.Latency.Count == 0 {
		return
	}
	fmt.Fprintf(w, "\nPercentage of the requests served within a certain time (ms)\n")
	for _, p := range abPercentiles {
		fmt.Fprintf(w, " %3.0f%%  %5d", p, round(res.Latency.At(p)))
		if p == 100 {
			fmt.Fprint(w, " (longest request)")
		}
		fmt.Fprintln(w)
	}
}

// writeBeyond writes what ab does not.
func (res *Result) writeBeyond(w io.Writer) {
	if res.Latency.Count > 0 {
		res.writeExact(w)
	}
	if res.Phases.App != nil {
		fmt.Fprintf(w, "\nWaiting, split by the server's own clock (ms)\n")
		for _, p := range []struct {
			name string
			d    *Distribution
		}{{"queue", res.Phases.Queue}, {"app", res.Phases.App}, {"network", res.Phases.Network}} {
			fmt.Fprintf(w, "  %-10s mean %10.3f  p50 %10.3f  p99 %10.3f  max %10.3f\n", p.name, p.d.MeanMS, p.d.MedianMS, p.d.At(99), p.d.MaxMS)
		}
	}
	if e := res.Events; e != nil {
		fmt.Fprintf(w, "\n%d events in streamed responses, %.1f per second (ms)\n", e.Count, e.PerSecond)
		for _, p := range []struct {
			name string
			d    Distribution
		}{{"first", e.First}, {"gap", e.Gap}} {
			fmt.Fprintf(w, "  %-10s mean %10.3f  p50 %10.3f  p99 %10.3f  max %10.3f\n", p.name, p.d.MeanMS, p.d.MedianMS, p.d.At(99), p.d.MaxMS)
		}
	}
	res.writeRuns(w)
	res.writeSchedule(w)
	res.writeTargets(w)
	if res.Requests.Failed > 0 {
		fmt.Fprintf(w, "\nErrors by kind\n")
		for k := ErrorKind(1); k < errorKinds; k++ {
			if n := res.Errors[k.String()]; n > 0 {
				fmt.Fprintf(w, "  %-10s %8d  %s\n", k, n, res.ErrorExamples[k.String()])
			}
		}
	}
	fmt.Fprintf(w, "\nStatuses: %s\n", listStatuses(res.Statuses))
	fmt.Fprintf(w, "Client:   %.2f s of CPU, %.0f %% of %s; it waited %.2f s for one\n", res.Client.CPUS, 100*res.Client.CPUShare,
		Plural(res.Client.Cores, "core"), res.Client.WaitedS)
	res.writeVerdicts(w)
	if res.Partial {
		fmt.Fprintf(w, "PARTIAL:  %s\n", res.PartialReason)
	}
}

// writeExact writes the percentiles without rounding them away, and says which ones the sample cannot carry.
func (res *Result) writeExact(w io.Writer) {
	fmt.Fprintf(w, "\nLatency of %d successes\n", res.Latency.Count)
	fmt.Fprintf(w, "  min %s, mean %s, sd %s, max %s\n", formatMS(res.Latency.MinMS), formatMS(res.Latency.MeanMS),
		formatMS(res.Latency.SDMS), formatMS(res.Latency.MaxMS))
	for _, p := range res.Latency.Percentiles {
		if !slices.Contains([]float64{50, 90, 95, 99, 99.9, 99.99}, p.P) {
			continue
		}
		mark := ""
		if !p.Reliable {
			mark = fmt.Sprintf("  ? needs %d samples", p.Needs)
		}
		fmt.Fprintf(w, "  p%-6g %12s%s\n", p.P, formatMS(p.MS), mark)
	}
}

func (res *Result) writeSchedule(w io.Writer) {
	s := res.Schedule
	if s == nil {
		return
	}
	fmt.Fprintf(w, "\nOpen loop: %.2f requests per second offered, %.2f sent in time, over %s\n", res.Rate.Offered, res.Rate.Achieved,
		Plural(s.Connections, "connection"))
	if s.Lag.Count+s.Backlog.Count == 0 {
		return // of results that were merged from their JSON
	}
	fmt.Fprintf(w, "  schedule lag   p50 %s, p99 %s, max %s\n", formatMS(s.Lag.MedianMS), formatMS(s.Lag.At(99)), formatMS(s.Lag.MaxMS))
	if s.Backlog.Count > 0 {
		fmt.Fprintf(w, "  backlog        %d requests had to wait for a connection: p50 %s, max %s\n", s.Backlog.Count,
			formatMS(s.Backlog.MedianMS), formatMS(s.Backlog.MaxMS))
	}
}

func (res *Result) writeTargets(w io.Writer) {
	if len(res.Targets) < 2 {
		return
	}
	fmt.Fprintf(w, "\nTargets")
	if res.Samples.Kept > 0 && !res.Samples.Complete {
		fmt.Fprintf(w, "; mean and p99 are of the first %d requests of all", res.Samples.Kept)
	}
	fmt.Fprintln(w)
	for _, t := range res.Targets {
		fmt.Fprintf(w, "  %8d ok %6d failed  mean %10s  p99 %10s  %s %s\n", t.OK, t.Failed, formatMS(t.MeanMS), t.told(t.P99MS), t.Method, t.URL)
	}
}

// told writes a percentile of a target; a dash if it is not known.
func (t TargetCount) told(v float64) string {
	if v == 0 {
		return "-"
	}
	return formatMS(v)
}

func listStatuses(statuses map[int]int64) string {
	if len(statuses) == 0 {
		return "none"
	}
	var out []string
	for _, s := range slices.Sorted(maps.Keys(statuses)) {
		out = append(out, fmt.Sprintf("%d x %d", statuses[s], s))
	}
	return strings.Join(out, ", ")
}

// formatMS writes milliseconds with a unit and three or four digits.
func formatMS(v float64) string {
	switch {
	case v >= 10_000:
		return strconv.FormatFloat(v/1000, 'f', 2, 64) + " s"
	case v >= 100:
		return strconv.FormatFloat(v, 'f', 0, 64) + " ms"
	case v >= 10:
		return strconv.FormatFloat(v, 'f', 1, 64) + " ms"
	}
	return strconv.FormatFloat(v, 'f', 3, 64) + " ms"
}
