package front

import (
	"fmt"
	"testing"
	"time"

	"golang.org/x/net/http2"
)

// Clients that send all of a body before they look at the answer, which nobody reads, and
// need longer for it than each limit: while it comes they lose nothing.
const (
	inAHurry     = 8
	slowUpload   = 5 << 20
	uploadPieces = slowUpload / 16384
)

var earlyAnswers = map[string]struct {
	size int
	over time.Duration // the limit that the upload outlasts
}{
	"small": {32 << 10, discardLimit / inAHurry},
	"long":  {3 << 20, writeLimit / inAHurry},
}

// pause is after each piece of an upload that lasts longer than a limit.
func pause(limit time.Duration) time.Duration { return limit * 5 / 4 / uploadPieces }

func TestWhoSendsSlowlyBeforeItReadsGetsItsAnswer(t *testing.T) {
	overEach(t, func(t *testing.T, over over) {
		for name, early := range earlyAnswers {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				s := over.serve(t, func(c *appCall) { c.stream(early.size) }, streaming, spilling, func(c *Config) { c.Hurry = inAHurry })
				c := over.connectNarrow(t, s)
				_ = c.SetDeadline(time.Now().Add(60 * time.Second))
				c.send(fmt.Sprintf("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n", slowUpload))
				for i := range uploadPieces {
					if _, err := c.Write(make([]byte, 16384)); err != nil {
						t.Fatalf("after %d of %d pieces: %v", i, uploadPieces, err)
					}
					time.Sleep(pause(early.over))
				}
				if _, got := c.response("POST"); got != string(filling(0, early.size)) {
					t.Errorf("%d bytes came, or others", len(got))
				}
				c.wantClosed()
				s.wantNothingHeld(t)
			})
		}
	})
}

func TestHTTP2WhoSendsSlowlyBeforeItReadsGetsItsAnswer(t *testing.T) {
	for transport, over := range transports {
		for name, early := range earlyAnswers {
			t.Run(transport+"/"+name, func(t *testing.T) {
				t.Parallel()
				s := over.serveStreams(t, func(c *appCall) { c.stream(early.size) }, streaming, spilling, func(c *Config) { c.Hurry = inAHurry })
				h := over.dialStreams(t, s)
				h.send(1, false, ":method", "POST")
				_, got := h.uploadPausing(t, slowUpload, pause(early.over))
				_ = h.framer.WriteWindowUpdate(0, uint32(early.size))
				_ = h.framer.WriteWindowUpdate(1, uint32(early.size))
				for got < early.size {
					switch f := h.read(t).(type) {
					case *http2.DataFrame:
						got += len(f.Data())
					case *http2.RSTStreamFrame:
						t.Fatalf("after %d bytes: %v", got, f)
					}
				}
				h.nc.Close()
				s.wantNothingHeld(t)
			})
		}
	}
}

// Who sends nothing on, and reads nothing, has a limit as before.
func TestWhoStopsSendingAndReadsNothingIsEnded(t *testing.T) {
	overEach(t, func(t *testing.T, over over) {
		t.Parallel()
		s := over.serve(t, func(c *appCall) { c.stream(64 << 20) }, streaming, spilling, func(c *Config) { c.Hurry = hurry })
		c := over.connectNarrow(t, s)
		_ = c.SetDeadline(time.Now().Add(60 * time.Second))
		c.send("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 60000000\r\n\r\n")
		_, _ = c.Write(make([]byte, 1<<20)) // the end may come before the kernel has taken all of it
		s.wantNothingHeld(t)                // though it stays
	})
}
