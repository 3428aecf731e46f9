package front

import (
	"fmt"
	"testing"
	"time"

	"golang.org/x/net/http2"
)

// spilling has answers of clients that do not read go to files.
func spilling(c *Config) { c.SpoolResponse = 1 << 30 }

// Who looks at an answer only when its whole body is sent gets it, however long it is and
// though nobody reads that body: what both send does not fit between them.
func TestWhoSendsAllFirstGetsALongAnswer(t *testing.T) {
	const body, answer, piece = 12 << 20, 6 << 20, 64 << 10
	overEach(t, func(t *testing.T, over over) {
		for framing, before := range map[string]string{
			"length": fmt.Sprintf("Content-Length: %d\r\n\r\n", body),
			"chunks": fmt.Sprintf("Transfer-Encoding: chunked\r\n\r\n%x\r\n", body),
		} {
			t.Run(framing, func(t *testing.T) {
				s := over.serve(t, func(c *appCall) { c.stream(answer) }, streaming, spilling)
				c := over.connectNarrow(t, s)
				_ = c.SetDeadline(time.Now().Add(30 * time.Second))
				c.send("POST / HTTP/1.1\r\nHost: x\r\n" + before)
				for sent := 0; sent < body; sent += piece {
					if _, err := c.Write(make([]byte, piece)); err != nil {
						t.Fatalf("after %d bytes: %v", sent, err)
					}
				}
				if framing == "chunks" {
					c.send("\r\n0\r\n\r\n")
				}
				if _, got := c.response("POST"); got != string(filling(0, answer)) {
					t.Errorf("%d bytes came, or others", len(got))
				}
				c.wantClosed()
				s.wantNothingHeld(t)
			})
		}
	})
}

// Who leaves while it sends on is known to have left: its answer is not waited for.
func TestWhoLeavesWhileItsBodyIsDropped(t *testing.T) {
	overEach(t, func(t *testing.T, over over) {
		s := over.serve(t, func(c *appCall) { c.stream(64 << 20) }, streaming, spilling)
		c := over.connectNarrow(t, s)
		_ = c.SetDeadline(time.Now().Add(30 * time.Second))
		c.send("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 60000000\r\n\r\n")
		if _, err := c.Write(make([]byte, 4<<20)); err != nil {
			t.Fatal(err)
		}
		c.reset()
		s.wantNothingHeld(t)
	})
}

// The same over HTTP/2: a client that obeys its windows and opens none for the answer.
func TestHTTP2WhoSendsAllFirstGetsALongAnswer(t *testing.T) {
	const body, answer = 5 << 20, 1 << 20
	for transport, over := range transports {
		t.Run(transport, func(t *testing.T) {
			s := over.serveStreams(t, func(c *appCall) { c.stream(answer) }, streaming, spilling)
			h := over.dialStreams(t, s)
			h.send(1, false, ":method", "POST")
			if status := h.uploadAll(t, body); status != "200" {
				t.Errorf("answered %q", status)
			}
			if err := h.framer.WriteWindowUpdate(0, answer); err != nil {
				t.Fatal(err)
			}
			_ = h.framer.WriteWindowUpdate(1, answer)
			for {
				f, err := h.framer.ReadFrame()
				if err != nil {
					t.Fatal(err)
				}
				if f, ok := f.(*http2.DataFrame); ok && f.StreamEnded() {
					break
				}
			}
			h.nc.Close()
			s.wantNothingHeld(t)
		})
	}
}
