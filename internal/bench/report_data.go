package bench

import (
	"bufio"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strconv"
)

// WriteJSON writes the result as indented JSON.
func (res *Result) WriteJSON(w io.Writer) error {
	if res.LatencyHDR == "" {
		res.encodeLatency()
	}
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	enc.SetEscapeHTML(false)
	return enc.Encode(res)
}

// ReadResult reads what WriteJSON wrote.
func ReadResult(path string) (*Result, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var res Result
	if err := json.Unmarshal(b, &res); err != nil {
		return nil, fmt.Errorf("%s: %w (%w)", path, errNoResult, err)
	}
	if res.Version != ResultVersion {
		return nil, fmt.Errorf("%s: version %d of the result, and this program reads %d", path, res.Version, ResultVersion)
	}
	if err := res.restore(); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return &res, nil
}

// WriteCSV writes one line per kept request, in the order in which they ended. Stamps are milliseconds since the start
// barrier; what did not happen is empty.
func (res *Result) WriteCSV(w io.Writer) error {
	out := csv.NewWriter(w)
	head := []string{"target", "status", "error", "scheduled_ms", "ready_ms", "connect_ms", "sent_ms", "first_byte_ms", "done_ms",
		"latency_ms", "bytes", "queue_ms", "app_ms"}
	if err := out.Write(append(head, res.headers...)); err != nil {
		return err
	}
	row := make([]string, len(head)+len(res.headers))
	for i := range res.samples {
		res.csvRow(row, i)
		if err := out.Write(row); err != nil {
			return err
		}
	}
	out.Flush()
	return out.Error()
}

func (res *Result) csvRow(row []string, i int) {
	clear(row)
	s := &res.samples[i]
	row[0] = strconv.Itoa(int(s.target))
	if s.status > 0 {
		row[1] = strconv.Itoa(int(s.status))
	}
	if s.kind != Succeeded {
		row[2] = s.kind.String()
	}
	row[3], row[5], row[8] = stamp(s.scheduled), stamp(s.connect), stamp(s.done)
	if s.sent > 0 || s.first > 0 {
		row[4], row[6] = stamp(s.sent), stamp(s.sent) // a connection that is ready is used at once
	}
	if s.first > 0 {
		row[7] = stamp(s.first)
	}
	if s.kind == Succeeded {
		v, _ := mLatency.of(s, res.Load.Mode == "open")
		row[9] = stamp(v)
	}
	row[10] = strconv.FormatUint(uint64(s.bytes), 10)
	if s.flags&timed != 0 {
		row[11], row[12] = strconv.FormatFloat(float64(s.queueMS), 'f', -1, 32), strconv.FormatFloat(float64(s.appMS), 'f', -1, 32)
	}
	for k, v := range res.captured[i] {
		row[13+k] = Printable(v)
	}
}

// stamp writes nanoseconds as milliseconds with all digits that a clock has.
func stamp(ns int64) string { return strconv.FormatFloat(ms(ns), 'f', 6, 64) }

// WriteHDR writes the percentile distribution of latency in milliseconds, in the form that HdrHistogram's plotters read.
func (res *Result) WriteHDR(w io.Writer) error {
	h := newHistogram()
	if t := res.latency.tally; t != nil && t.hist != nil {
		h = t.hist
	}
	for _, v := range res.latency.values {
		_ = h.RecordValue(microseconds(v)) // within bounds by construction
	}
	b := bufio.NewWriter(w)
	if _, err := h.PercentilesPrint(b, 5, 1000); err != nil {
		return err
	}
	return b.Flush()
}
