package ws

import (
	"testing"

	"pgregory.net/rapid"
)

// However the frames are cut into pieces, the trace stands between two of them exactly
// where one has ended, and knows the close frame's code then.
func TestTheTraceStandsBetweenFrames(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var sent []byte
		ends := map[int]bool{0: true}
		for range rapid.IntRange(0, 6).Draw(t, "frames") {
			size := rapid.SampledFrom([]int{0, 1, 125, 126, 127, 65535, 65536, 70000}).Draw(t, "size")
			sent = AppendFrame(sent, Binary, make([]byte, size))
			ends[len(sent)] = true
		}
		code := rapid.SampledFrom([]int{0, CodeNone, 1000, 4001}).Draw(t, "code")
		if code != 0 {
			sent = AppendClose(sent, code, "why")
			ends[len(sent)] = true
		}
		var trace Trace
		for at := 0; at < len(sent); {
			n := min(rapid.IntRange(1, 40000).Draw(t, "piece"), len(sent)-at)
			trace.Follow(sent[at : at+n])
			at += n
			if trace.Between() != ends[at] {
				t.Fatalf("after %d of %d bytes it is between frames: %v", at, len(sent), trace.Between())
			}
		}
		if trace.Code != code {
			t.Fatalf("the code is %d, want %d", trace.Code, code)
		}
	})
}
