package worker_test

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"girin/internal/wire"
	"girin/internal/worker"
)

func TestAWorkerServesAndDrains(t *testing.T) {
	r := newRig(t)
	w := r.ready("serves")
	if f := w.Facts(); f.PID != w.PID() || f.Python != "3.0" {
		t.Errorf("facts %+v", f)
	}
	w.Select(1)
	packet := make([]byte, wire.RequestHead)
	head := wire.Request{Form: wire.Joined, ID: 42, Environ: 3, Body: 4}
	head.Put(packet)
	if !r.lane.TrySend(append(packet, "a\x00bbody"...)) {
		t.Fatal("the lane is full")
	}
	h := r.hear()
	if h.w != w || h.frame.ID != 42 || h.text != "200 OK|a\x00bbody" || h.frame.Flags != wire.Final|wire.Whole {
		t.Errorf("heard %+v", h)
	}
	if w.Answered() != 1 {
		t.Errorf("answered %d", w.Answered())
	}
	w.Drain(time.Second)
	r.wait(w.Done(), "the end")
	if err := w.Process().Err(); err != nil || r.faulted() != 0 {
		t.Errorf("it ended with %v; faults %v", err, r.faults)
	}
}

func TestTheArenaIsShared(t *testing.T) {
	r := newRig(t)
	w := r.ready("serves")
	w.Select(1)
	block, at, ok := r.arena.Alloc(100)
	if !ok {
		t.Fatal("the arena is full")
	}
	n := copy(block, "environ and body")
	packet := make([]byte, wire.RequestHead)
	head := wire.Request{Form: wire.Joined, Flags: wire.InArena, ID: 1, Environ: 8, Body: uint32(n) - 8, At: uint64(at)}
	head.Put(packet)
	if err := r.lane.Send(packet); err != nil {
		t.Fatal(err)
	}
	if h := r.hear(); h.text != "200 OK|environ and body" {
		t.Errorf("heard %+v", h)
	}
}

func TestAWorkerThatIsNotReady(t *testing.T) {
	for name, test := range map[string]struct {
		code int
		text string
	}{
		"broken":   {4, "no such app"},
		"settings": {9, "app:app gthread"},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			w := r.start(name)
			r.wait(w.Ready(), "the verdict")
			var broken *worker.Broken
			if !errors.As(w.ReadyErr(), &broken) || broken.Code != test.code || broken.Text != test.text {
				t.Errorf("not ready for %v", w.ReadyErr())
			}
		})
	}
	t.Run("dies", func(t *testing.T) {
		r := newRig(t)
		w := r.start("dies")
		r.wait(w.Ready(), "the verdict")
		if err := w.ReadyErr(); err == nil || !strings.Contains(err.Error(), "exit status 5") {
			t.Errorf("not ready for %v", err)
		}
		r.wait(w.Done(), "the end")
	})
	t.Run("silent", func(t *testing.T) {
		r := newRig(t)
		w := r.start("silent")
		select {
		case <-w.Ready():
			t.Errorf("settled with %v", w.ReadyErr())
		default:
		}
		w.Process().Kill()
		r.wait(w.Ready(), "the verdict")
		if w.ReadyErr() == nil {
			t.Error("a dead worker is ready")
		}
	})
}

func TestWhatADeadWorkerSentStillArrives(t *testing.T) {
	r := newRig(t)
	w := r.start("unread")
	r.wait(w.Done(), "the end")
	if sig := w.Process().Signalled(); sig != syscall.SIGKILL {
		t.Fatalf("signal %v", sig)
	}
	for i := range uint64(unreadFrames) {
		if h := r.hear(); h.frame.ID != i || len(h.text) != len("200 OK|")+1000 {
			t.Fatalf("frame %d is %d, of %d bytes", i, h.frame.ID, len(h.text))
		}
	}
	if w.ReadyErr() != nil || r.faulted() != 0 {
		t.Errorf("ready: %v; faults %v", w.ReadyErr(), r.faults)
	}
}

func TestGarbageEndsThatWorkerOnly(t *testing.T) {
	r := newRig(t)
	other := r.ready("serves")
	before := descriptors(t)
	kinds := []string{
		"control", "descriptor with a short message", "descriptors with a short message", "unknown message", "ready without facts", "descriptors with a line", "file without a descriptor", "file of two descriptors",
		"file with a short payload", "file whose frame does not parse", "frame kind", "head length", "body length",
		"place", "placed length",
	}
	for i, kind := range kinds {
		w := r.ready("garbage", kind)
		r.wait(w.Done(), "the end after "+kind)
		if sig := w.Process().Signalled(); sig != syscall.SIGKILL {
			t.Errorf("%s: it ended with %v, not by a signal of ours", kind, w.Process().Err())
		}
		if n := r.faulted(); n != i+1 {
			t.Errorf("%s: %d faults are logged, want %d", kind, n, i+1)
		}
	}
	if after := descriptors(t); after > before {
		t.Errorf("%d descriptors were open, now %d are", before, after)
	}
	select {
	case <-other.Done():
		t.Error("another worker ended")
	default:
	}
}

// An app's child may hold the worker's sockets open; its death is known from
// wait.
func TestAChildWithTheSocketsDelaysTheEndLittle(t *testing.T) {
	r := newRig(t)
	w := r.ready("parent")
	child := r.hear().level
	defer func() { _ = syscall.Kill(child, syscall.SIGKILL) }()
	r.wait(w.Process().Done(), "the process's end")
	began := time.Now()
	r.wait(w.Done(), "the worker's end")
	if d := time.Since(began); d > time.Second {
		t.Errorf("Done %v after the process had ended; 50 ms are meant", d)
	}
	if err := syscall.Kill(child, 0); err != nil {
		t.Fatalf("the child has gone too: %v", err)
	}
	if r.faulted() != 0 {
		t.Errorf("faults %v", r.faults)
	}
}

func TestWhatAWorkerSays(t *testing.T) {
	r := newRig(t)
	w := r.ready("talks")
	r.wait(w.Done(), "the end")
	if h := r.hear(); h.level != 30 || h.text != "a line" {
		t.Errorf("heard %+v", h)
	}
	if h := r.hear(); h.text != "stacks: stacks" {
		t.Errorf("heard %+v", h)
	}
	if err := w.Process().Err(); err != nil || r.faulted() != 0 {
		t.Errorf("it ended with %v; faults %v", err, r.faults)
	}
}

func TestWhatAWorkerIsTold(t *testing.T) {
	r := newRig(t)
	w := r.ready("echo")
	path := filepath.Join(t.TempDir(), "body")
	if err := os.WriteFile(path, []byte("spooled"), 0o600); err != nil {
		t.Fatal(err)
	}
	body, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer body.Close()
	closed, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	closed.Close()

	w.Promote()
	w.Grant(7, 100)
	w.Dump(9)
	w.SendBody(8, closed, 7) // nobody waits for its request any more: that is what is told
	w.SendBody(7, body, 7)
	w.Select(3)
	w.Drain(time.Second)
	want := map[string]int{
		fmt.Sprint(wire.Promote, " "): 1, fmt.Sprint(wire.Credit, " "): 2, fmt.Sprint(wire.Dump, " "): 1,
		fmt.Sprint(wire.Body, " \x07\x00\x00\x00\x00\x00\x00\x00spooled"): 1,
		fmt.Sprint(wire.Lanes, " "):                                       1, fmt.Sprint(wire.Drain, " "): 1,
	}
	got := map[string]int{}
	for range 7 {
		h := r.hear()
		got[fmt.Sprint(h.level, " ", h.text)]++
	}
	if !maps.Equal(got, want) {
		t.Errorf("it was told %v, want %v", got, want)
	}
}

func TestAnAnswerMayBeAPartOfAFile(t *testing.T) {
	r := newRig(t)
	w := r.ready("files")
	h := r.hear()
	if h.frame.ID != 3 || h.text != "200 OK" || h.offset != 1 || h.length != 5 || !strings.HasPrefix(os.Args[0][1:], h.file) {
		t.Errorf("heard %+v", h)
	}
	if w.Answered() != 1 {
		t.Errorf("answered %d", w.Answered())
	}
}

func TestBodiesInThePageArriveAndTheirUnitsAreFreed(t *testing.T) {
	r := newRig(t)
	w := r.ready("placed")
	for i := range placedAnswers {
		want := "200 OK|" + placedBody(i)
		if h := r.hear(); h.frame.ID != uint64(i) || h.frame.Flags != wire.Final|wire.Whole || h.text != want {
			t.Errorf("answer %d: heard %d bytes, flags %d", h.frame.ID, len(h.text), h.frame.Flags)
		}
	}
	if n := w.Answered(); n != placedAnswers {
		t.Errorf("answered %d", n)
	}
}

func TestThePageTellsWhatAWorkerRuns(t *testing.T) {
	r := newRig(t)
	w := r.ready("notes")
	if id, began := w.Slot(0); id != 0 || began != 0 {
		t.Errorf("slot 0: %d, %d", id, began)
	}
	if id, began := w.Slot(1); id != 77 || began == 0 {
		t.Errorf("slot 1: %d, %d", id, began)
	}
	if w.Slots() != 2 || w.Busy() != 1 {
		t.Errorf("%d slots, %d busy", w.Slots(), w.Busy())
	}
	w.Process().Kill()
	r.wait(w.Done(), "the end")
	if id, _ := w.Slot(1); id != 77 {
		t.Errorf("slot 1 of the dead worker: %d", id)
	}
}

func TestWhatCannotBeStarted(t *testing.T) {
	r := newRig(t)
	before := descriptors(t)
	for range 5 {
		_, err := worker.Start(t.Context(), worker.Config{
			Name: "none", Starter: r.starter, Arena: r.arena, Lanes: []*worker.Lane{r.lane}, Receiver: r, Log: r,
			Settings: worker.Settings{Class: "sync"},
		})
		if err == nil {
			t.Fatal("nothing was started, without an error")
		}
	}
	if after := descriptors(t); after > before {
		t.Errorf("%d descriptors were open, now %d are", before, after)
	}
}

func TestAnEndedWorkerLeavesNoDescriptors(t *testing.T) {
	r := newRig(t)
	r.wait(r.start("dies").Done(), "the end") // the first opens what stays open
	before := descriptors(t)
	for range 5 {
		r.wait(r.start("dies").Done(), "the end")
	}
	if after := descriptors(t); after > before {
		t.Errorf("%d descriptors were open, now %d are", before, after)
	}
}

func descriptors(t *testing.T) int {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(entries)
}

// A worker in the background is batch work, and keeps its priority; an event loop keeps its
// slice as well.
func TestBackground(t *testing.T) {
	for _, kind := range []string{"serves", "loops"} {
		t.Run(kind, func(t *testing.T) {
			w := newRig(t).ready(kind)
			attr := func() unix.SchedAttr {
				a, err := unix.SchedGetAttr(w.PID(), 0)
				if err != nil {
					t.Fatal(err)
				}
				return *a
			}
			before := attr()
			w.Background(true)
			if a := attr(); a.Policy != unix.SCHED_BATCH || a.Nice != before.Nice || kind == "loops" && a.Runtime != before.Runtime {
				t.Errorf("in the background: %+v, before %+v", a, before)
			}
			if w.Background(false); attr() != before {
				t.Errorf("in the foreground again: %+v, before %+v", attr(), before)
			}
			if w.Memory() <= 0 {
				t.Error("it has no memory")
			}
		})
	}
}
