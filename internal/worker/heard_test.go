package worker

import (
	"net"
	"os"
	"sync/atomic"
	"testing"

	"girin/internal/wire"
)

// counted counts lines of the log.
type counted struct {
	frames
	lines atomic.Int32
}

func (c *counted) Log(*Worker, int, uint64, string) { c.lines.Add(1) }

// aListener is a worker whose master has read all, and its end of the control socket.
func aListener(t *testing.T, r Receiver) (w *Worker, theirs *os.File) {
	pair := func(kind int) (*net.UnixConn, *os.File) {
		ours, theirs, err := socketPair(kind)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { ours.Close(); theirs.Close() })
		return ours, theirs
	}
	w = &Worker{cfg: Config{Receiver: r}, outbox: newOutbox()}
	w.control, theirs = pair(controlSocket)
	w.response, _ = pair(streamSocket)
	w.listens.Store(true)
	return w, theirs
}

// What was read and not passed on yet is not heard, in whichever moment one looks.
func TestWhatIsInAReadersHandsIsNotHeard(t *testing.T) {
	got := new(counted)
	w, theirs := aListener(t, got)
	go w.readControl()
	line := wire.Control{Op: wire.Log}.Append(nil, []byte("a line"))
	for i := range int32(5_000) {
		if _, err := theirs.Write(line); err != nil {
			t.Fatal(err)
		}
		for !w.Heard() {
		}
		if n := got.lines.Load(); n != i+1 {
			t.Fatalf("%d of %d lines were passed on", n, i+1)
		}
	}
}

// Who owes a sign of life may have finished something, and something holds Python's lock.
func TestWhoOwesASignOfLifeIsNotHeard(t *testing.T) {
	w, theirs := aListener(t, new(frames))
	go w.readControl()
	if w.Ping(); w.Heard() {
		t.Error("all that it has is heard")
	}
	if _, err := theirs.Write(wire.Control{Op: wire.Pong}.Append(nil, nil)); err != nil {
		t.Fatal(err)
	}
	for !w.Heard() {
	}
}
