package worker_test

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"girin/internal/proc"
	"girin/internal/wire"
	"girin/internal/worker"
	"girin/internal/worker/workertest"
)

func TestMain(m *testing.M) {
	workertest.Main(map[string]func(w *workertest.Worker) error{
		"serves": func(w *workertest.Worker) error {
			return w.Serve(func(r *workertest.Request) error { return w.Answer(r.ID, "200 OK", string(r.Block)+string(r.Body)) })
		},
		"settings": func(w *workertest.Worker) error {
			var settings worker.Settings
			if err := w.Hello(&settings); err != nil {
				return err
			}
			return errors.Join(w.Broken(9, settings.App+" "+settings.Class), untilClosed(w))
		},
		"loops": func(w *workertest.Worker) error {
			ready := []byte(`{"python": "3.0", "interface": "asgi"}`)
			return errors.Join(w.Hello(nil), w.Send(wire.Control{Op: wire.Ready}, ready), untilClosed(w))
		},
		"broken":  func(w *workertest.Worker) error { return errors.Join(w.Hello(nil), w.Broken(4, "no such app")) },
		"dies":    func(*workertest.Worker) error { os.Exit(5); return nil },
		"silent":  untilClosed,
		"unread":  leavesFramesUnread,
		"garbage": sendsGarbage,
		"parent":  leavesChild,
		"echo":    echoesControl,
		"files":   sendsFiles,
		"placed":  answersInPage,
		"talks": func(w *workertest.Worker) error {
			return errors.Join(w.Hello(nil), w.Ready(), w.Log(30, "a line"),
				w.Send(wire.Control{Op: wire.Stacks}, []byte("stacks")), w.Send(wire.Control{Op: wire.Pong}, nil), w.Send(wire.Control{Op: wire.Idle}, nil))
		},
		"truncates": func(*workertest.Worker) error {
			for _, fd := range []int{wire.PageFD, wire.ArenaFD} {
				if err := unix.Ftruncate(fd, 0); !errors.Is(err, unix.EPERM) {
					return fmt.Errorf("truncating descriptor %d: %v", fd, err)
				}
			}
			return nil
		},
		"notes": func(w *workertest.Worker) error {
			w.Note(1, 77)
			return errors.Join(w.Hello(nil), w.Ready(), untilClosed(w))
		},
	})
	os.Exit(m.Run())
}

// untilClosed reads messages until the master has gone.
func untilClosed(w *workertest.Worker) error {
	for {
		if _, _, _, err := w.Receive(); err != nil {
			return nil
		}
	}
}

// leavesFramesUnread sends frames and is gone before they can all be read.
func leavesFramesUnread(w *workertest.Worker) error {
	var b []byte
	for i := range uint64(unreadFrames) {
		b = append(b, workertest.Whole(i, "200 OK", strings.Repeat("x", 1000))...)
	}
	_, err := w.Response.Write(b)
	if err := errors.Join(w.Hello(nil), w.Ready(), err); err != nil {
		return err
	}
	return syscall.Kill(os.Getpid(), syscall.SIGKILL)
}

const unreadFrames = 200

// sendsGarbage sends what does not parse where the first argument says.
func sendsGarbage(w *workertest.Worker) error {
	if err := errors.Join(w.Hello(nil), w.Ready()); err != nil {
		return err
	}
	var err error
	switch os.Args[1] {
	case "control":
		_, err = w.Control.Write([]byte("short"))
	case "descriptor with a short message":
		err = sendShort(w, os.Stdin)
	case "descriptors with a short message":
		err = sendShort(w, os.Stdin, os.Stdin)
	case "unknown message":
		err = w.Send(wire.Control{Op: 200}, nil)
	case "ready without facts":
		err = w.Send(wire.Control{Op: wire.Ready}, []byte("{"))
	case "descriptors with a line":
		err = w.Send(wire.Control{Op: wire.Log}, nil, os.Stdin, os.Stdin)
	case "file without a descriptor":
		err = w.Send(wire.Control{Op: wire.File}, make([]byte, 100))
	case "file of two descriptors":
		err = w.Send(wire.Control{Op: wire.File}, make([]byte, 100), os.Stdin, os.Stdin)
	case "file with a short payload":
		err = w.Send(wire.Control{Op: wire.File}, make([]byte, 10), os.Stdin)
	case "file whose frame does not parse":
		err = w.Send(wire.Control{Op: wire.File}, make([]byte, 100), os.Stdin)
	case "frame kind":
		_, err = w.Response.Write(make([]byte, wire.ResponseHead))
	case "head length":
		f := wire.Frame{Kind: wire.Response, Head: wire.MaxHeadBlock + 1}
		b := make([]byte, wire.ResponseHead)
		f.Put(b)
		_, err = w.Response.Write(b)
	case "place", "placed length":
		f := wire.Frame{Kind: wire.Response, Flags: wire.Final | wire.Whole | wire.InPage, Body: wire.PageUnit + 1}
		place := uint32(wire.PageUnits - 1)
		if os.Args[1] == "place" {
			f.Body = 0
			place++
		}
		b := make([]byte, wire.ResponseHead)
		f.Put(b)
		_, err = w.Response.Write(binary.LittleEndian.AppendUint32(b, place))
	case "body length":
		f := wire.Frame{Kind: wire.Block, Body: wire.MaxBlock + 1}
		b := make([]byte, wire.ResponseHead)
		f.Put(b)
		_, err = w.Response.Write(b)
	}
	if err != nil {
		return err
	}
	return untilClosed(w)
}

// sendShort sends less than a message's head, with descriptors.
func sendShort(w *workertest.Worker, files ...*os.File) error {
	var fds []int
	for _, f := range files {
		fds = append(fds, int(f.Fd()))
	}
	_, _, err := w.Control.WriteMsgUnix([]byte("short"), unix.UnixRights(fds...), nil)
	return err
}

// leavesChild starts a process that holds the worker's sockets open, tells its
// pid, and ends.
func leavesChild(w *workertest.Worker) error {
	if err := errors.Join(w.Hello(nil), w.Ready()); err != nil {
		return err
	}
	control, err := w.Control.File()
	if err != nil {
		return err
	}
	child := exec.Command("/bin/sleep", "60")
	child.ExtraFiles = []*os.File{control, w.Response}
	if err := child.Start(); err != nil {
		return err
	}
	return w.Log(child.Process.Pid, "child")
}

// echoesControl tells each message and the file with it as a line.
func echoesControl(w *workertest.Worker) error {
	if err := errors.Join(w.Hello(nil), w.Ready()); err != nil {
		return err
	}
	for {
		c, payload, file, err := w.Receive()
		if err != nil {
			return nil
		}
		text := string(payload)
		if file != nil {
			b := make([]byte, 100)
			n, err := file.ReadAt(b, 0)
			if n == 0 {
				return err
			}
			text += string(b[:n])
		}
		if err := w.Log(int(c.Op), text); err != nil {
			return err
		}
	}
}

func sendsFiles(w *workertest.Worker) error {
	if err := errors.Join(w.Hello(nil), w.Ready()); err != nil {
		return err
	}
	f, err := os.Open("/proc/self/cmdline")
	if err != nil {
		return err
	}
	head := "200 OK"
	payload := make([]byte, 16)
	payload[0], payload[8] = 1, 5
	payload = workertest.AppendFrame(payload, wire.Frame{ID: 3, Kind: wire.Response, Flags: wire.Final}, head, "")
	return errors.Join(w.Send(wire.Control{Op: wire.File}, payload, f), untilClosed(w))
}

// placedAnswers go to every seventh unit of the page in turn, until its last and
// then its first have been used twice.
const placedAnswers = 2 * wire.PageUnits / 7

func placedBody(i int) string { return strings.Repeat("b", i*1000%(7*wire.PageUnit)) + "!" }

// answersInPage answers with bodies in the page, of up to seven units and
// wherever they end, and waits for the units that it uses again.
func answersInPage(w *workertest.Worker) error {
	if err := errors.Join(w.Hello(nil), w.Ready()); err != nil {
		return err
	}
	for i := range placedAnswers {
		if err := w.AnswerInPage(uint64(i), "200 OK", placedBody(i), i%(placedAnswers/2)*7); err != nil {
			return err
		}
	}
	return untilClosed(w)
}

// rig is what workers share, and a receiver that notes what they send.
type rig struct {
	t       *testing.T
	starter *proc.Starter
	arena   *worker.Arena
	lane    *worker.Lane
	heard   chan heard

	mu     sync.Mutex
	faults []string
}

// heard is one thing that a worker sent.
type heard struct {
	w      *worker.Worker
	frame  wire.Frame
	level  int
	text   string
	offset int64
	length int64
	file   string
}

func newRig(t *testing.T) *rig {
	t.Helper()
	r := &rig{t: t, starter: proc.NewStarter(), heard: make(chan heard, 1000)}
	t.Cleanup(r.starter.Close)
	var err error
	if r.arena, err = worker.NewArena(); err != nil {
		t.Fatal(err)
	}
	if r.lane, err = worker.NewLane(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.lane.Close() })
	return r
}

func (r *rig) Frame(w *worker.Worker, f *wire.Frame, head, body []byte) error {
	r.heard <- heard{w: w, frame: *f, text: string(head) + "|" + string(body)}
	return nil
}

func (r *rig) File(w *worker.Worker, f *wire.Frame, head []byte, body *os.File, offset, length int64) error {
	defer body.Close()
	b := make([]byte, length)
	n, _ := body.ReadAt(b, offset)
	r.heard <- heard{w: w, frame: *f, text: string(head), offset: offset, length: length, file: string(b[:n])}
	return nil
}

func (r *rig) Log(w *worker.Worker, level int, _ uint64, text string) {
	r.heard <- heard{w: w, level: level, text: text}
}
func (r *rig) Held(w *worker.Worker, held time.Duration, what, stack string) {
	r.heard <- heard{w: w, text: fmt.Sprint("held: ", what, " ", held, " ", stack)}
}
func (r *rig) Stacks(w *worker.Worker, text string) { r.heard <- heard{w: w, text: "stacks: " + text} }

func (r *rig) Warningf(string, ...any) {}

func (r *rig) Errorf(format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.faults = append(r.faults, format)
}

func (r *rig) faulted() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.faults)
}

// start starts a worker that does what TestMain has under that name.
func (r *rig) start(name string, args ...string) *worker.Worker {
	r.t.Helper()
	w, err := worker.Start(r.t.Context(), worker.Config{
		Name: name, Starter: r.starter, Arena: r.arena, Lanes: []*worker.Lane{r.lane}, Receiver: r, Log: r,
		Spec:     proc.Spec{Path: os.Args[0], Args: args, Env: workertest.Environ(name)},
		Settings: worker.Settings{App: "app:app", Class: "gthread", Threads: 2},
		Shim:     []byte("shim"),
	})
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { w.Process().Kill(); r.wait(w.Done(), "the worker's end") })
	return w
}

// ready starts a worker and waits until it is ready.
func (r *rig) ready(name string, args ...string) *worker.Worker {
	r.t.Helper()
	w := r.start(name, args...)
	r.wait(w.Ready(), "readiness")
	if err := w.ReadyErr(); err != nil {
		r.t.Fatal(err)
	}
	return w
}

func (r *rig) wait(done <-chan struct{}, what string) {
	r.t.Helper()
	select {
	case <-done:
	case <-time.After(10 * time.Second):
		r.t.Fatalf("%s does not come", what)
	}
}

func (r *rig) hear() heard {
	r.t.Helper()
	select {
	case h := <-r.heard:
		return h
	case <-time.After(10 * time.Second):
		r.t.Fatal("the worker says nothing")
		return heard{}
	}
}
