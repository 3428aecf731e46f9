package engine

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// A server that comes back each second with a wrong key fills no log.
func TestWhatIsSaidOverAndOverIsSaidSeldom(t *testing.T) {
	var r repeats
	said, now := []string{}, time.Unix(1e9, 0)
	for i := range 1000 {
		line := fmt.Sprintf("127.0.0.1:%d - cid:%d - TLS handshake error: bad certificate", 10000+i, i)
		if more, ok := r.again(line, now); ok {
			said = append(said, line+more)
		}
		now = now.Add(time.Second)
	}
	if len(said) != 2*repeatsMost || !strings.Contains(said[2], "not said again") || !strings.Contains(said[3], "598 times more") {
		t.Errorf("%d lines: %q", len(said), said)
	}
	if _, ok := r.again("something else", now); !ok {
		t.Error("another line is not said")
	}
	said = nil
	for i := range 10 * repeatsKinds {
		if more, ok := r.again(strings.Repeat("x", i), now); ok {
			said = append(said, more)
		}
	}
	if len(r.lines) > repeatsKinds || len(said) > repeatsKinds+repeatsMost {
		t.Errorf("%d lines are remembered, and %d said that are all different", len(r.lines), len(said))
	}
	if _, ok := r.again("something else again", now.Add(repeatsEvery+time.Second)); !ok {
		t.Error("a line is not said although the others are long ago")
	}
}
