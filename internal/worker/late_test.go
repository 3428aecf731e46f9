package worker

import (
	"errors"
	"os"
	"sync/atomic"
	"testing"
	"time"

	"girin/internal/wire"
)

// What a worker sent before it ended counts, however late a busy machine lets us read it.
func TestWhatWasSentInTimeIsReadLate(t *testing.T) {
	ours, theirs, err := socketPair(streamSocket)
	if err != nil {
		t.Fatal(err)
	}
	defer ours.Close()
	defer theirs.Close() // something holds it open: no end of the stream tells
	sent := encode(sample)
	if _, err := theirs.Write(sent); err != nil {
		t.Fatal(err)
	}
	if err := ours.SetReadDeadline(time.Unix(1, 0)); err != nil {
		t.Fatal(err)
	}
	src, err := newSocketReader(ours, new(atomic.Bool))
	if err != nil {
		t.Fatal(err)
	}
	got, err := readAll(t, src, 64)
	if !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("it ends with %v", err)
	}
	sameParts(t, got, sample)
}

// logged collects lines.
type logged struct {
	frames
	lines []string
}

func (l *logged) Log(_ *Worker, _ int, _ uint64, text string) { l.lines = append(l.lines, text) }

func TestWhatWasSaidInTimeIsHeardLate(t *testing.T) {
	ours, theirs, err := socketPair(controlSocket)
	if err != nil {
		t.Fatal(err)
	}
	defer ours.Close()
	defer theirs.Close()
	for _, message := range [][]byte{
		wire.Control{Op: wire.Log}.Append(nil, []byte("one")), wire.Control{Op: wire.Log}.Append(nil, []byte("two")), wire.Control{Op: wire.Idle}.Append(nil, nil),
	} {
		if _, err := theirs.Write(message); err != nil {
			t.Fatal(err)
		}
	}
	// It ends with something of ours unread, which the kernel says before the rest.
	if _, err := ours.Write(wire.Control{Op: wire.Ping}.Append(nil, nil)); err != nil {
		t.Fatal(err)
	}
	theirs.Close()
	if err := ours.SetDeadline(time.Unix(1, 0)); err != nil {
		t.Fatal(err)
	}
	heard := new(logged)
	w := &Worker{control: ours, cfg: Config{Receiver: heard}}
	if err := w.readControl(); err != nil {
		t.Error(err)
	}
	if len(heard.lines) != 2 || !w.Left() {
		t.Errorf("it heard %q; that the worker ended in order: %v", heard.lines, w.Left())
	}
}

// Who writes on and on, as a child of the application's might, does not keep the reader.
func TestReadingLateEnds(t *testing.T) {
	ours, theirs, err := socketPair(streamSocket)
	if err != nil {
		t.Fatal(err)
	}
	defer ours.Close()
	written := make(chan struct{})
	go func() {
		defer close(written)
		for b := make([]byte, 64<<10); ; {
			if _, err := theirs.Write(b); err != nil {
				return
			}
		}
	}()
	if err := ours.SetReadDeadline(time.Unix(1, 0)); err != nil {
		t.Fatal(err)
	}
	src, err := newSocketReader(ours, new(atomic.Bool))
	if err != nil {
		t.Fatal(err)
	}
	for total := 0; ; {
		n, err := src.Read(make([]byte, 64<<10))
		if total += n; err != nil {
			break
		}
		if total > lateMost+socketBuffer {
			t.Fatalf("%d bytes were read", total)
		}
	}
	ours.Close()
	<-written
	theirs.Close()
}
