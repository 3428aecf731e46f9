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
	for i := range 10 * repeatsKinds {
		r.again(strings.Repeat("x", i), now)
	}
	if len(r.lines) > repeatsKinds {
		t.Errorf("%d lines are remembered", len(r.lines))
	}
}
