package worker

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"girin/internal/wire"
)

// readControl reads control messages and passes them on.
func (w *Worker) readControl() error {
	raw, err := w.control.SyscallConn()
	if err != nil {
		return err
	}
	r := controlReader{raw: raw, handles: &w.handles, buf: make([]byte, wire.MaxControl), oob: make([]byte, unix.CmsgSpace(4*4))}
	for {
		if err := r.next(); err != nil {
			return ended(err)
		}
		if r.n == 0 && r.oobn == 0 {
			return nil // the other end is closed
		}
		oob := r.oob[:r.oobn]
		c, payload, err := wire.ParseControl(r.buf[:r.n])
		if err != nil {
			closeFiles(oob)
			return err
		}
		// Without a free descriptor the kernel leaves out the one that came.
		if c.Op == wire.File && len(oob) == 0 && r.flags&unix.MSG_CTRUNC != 0 {
			err = w.takeBody(payload, nil)
		} else {
			err = w.take(c, payload, oob)
		}
		if err != nil {
			return fmt.Errorf("control message %d: %w", c.Op, err)
		}
	}
}

// controlReader reads one message after the other.
type controlReader struct {
	raw     syscall.RawConn
	handles *atomic.Bool // see Heard

	buf, oob       []byte
	n, oobn, flags int
	err            error
	late           int // bytes that were read after the time to read was over
}

// next reads the next message.
func (r *controlReader) next() error {
	err := r.await()
	if errors.Is(err, syscall.ECONNRESET) {
		// It ended with messages of ours unread. The kernel says so once;
		// what it sent before is still there.
		err = r.await()
	}
	if errors.Is(err, os.ErrDeadlineExceeded) && r.late < lateMost {
		if err = r.readLate(); err == nil {
			r.late += max(r.n, 1)
		}
	}
	return err
}

func (r *controlReader) await() error {
	if err := r.raw.Read(r.try); err != nil {
		return err
	}
	return r.err
}

// try reports false if there is nothing to read yet.
func (r *controlReader) try(fd uintptr) bool {
	r.handles.Store(true) // before the socket gives it, or nobody would seem to have it
	r.n, r.oobn, r.flags, _, r.err = unix.Recvmsg(int(fd), r.buf, r.oob, unix.MSG_DONTWAIT|closeOnExec)
	there := !errors.Is(r.err, syscall.EAGAIN)
	r.handles.Store(there)
	return there
}

// readLate reads a message that the socket holds when the time to read is over.
func (r *controlReader) readLate() error {
	there := false
	try := func(fd uintptr) { there = r.try(fd) }
	failed := r.raw.Control(try)
	if there && errors.Is(r.err, syscall.ECONNRESET) {
		failed = r.raw.Control(try) // as in next
	}
	switch {
	case failed != nil:
		return failed
	case !there:
		return os.ErrDeadlineExceeded
	}
	return r.err
}

func (w *Worker) take(c wire.Control, payload, oob []byte) error {
	if len(oob) > 0 && c.Op != wire.File {
		closeFiles(oob)
		return errors.New("descriptors came where none belong")
	}
	switch c.Op {
	case wire.Ready:
		var facts Facts
		if err := json.Unmarshal(payload, &facts); err != nil {
			return err
		}
		w.settle(facts, nil)
	case wire.Broken:
		broken := new(Broken)
		if err := json.Unmarshal(payload, broken); err != nil {
			return err
		}
		w.settle(Facts{}, broken)
	case wire.Log:
		w.cfg.Receiver.Log(w, int(c.N), c.ID, string(payload))
	case wire.Stacks:
		w.dumps.Store(0)
		w.cfg.Receiver.Stacks(w, string(payload))
	case wire.Held:
		what, stack, _ := strings.Cut(string(payload), "\n")
		w.cfg.Receiver.Held(w, time.Duration(c.N)*time.Millisecond, what, stack)
	case wire.Retire:
		w.retires.Store(true)
		if c.N == wire.Spent || c.N == wire.Told {
			w.spend.Do(func() { w.told = c.N == wire.Told; close(w.spent) })
		}
	case wire.File:
		f, err := takeFile(oob)
		if err != nil {
			return err
		}
		return w.takeBody(payload, f)
	case wire.Pong:
		w.silent.Store(0)
	case wire.Idle:
		w.left.Store(true)
	default:
		return errors.New("unknown")
	}
	return nil
}

// takeBody passes on an answer whose body is a file; nil: it could not be
// received.
func (w *Worker) takeBody(payload []byte, f *os.File) error {
	const fixed = 16 + wire.ResponseHead
	if len(payload) < fixed {
		f.Close()
		return errors.New("too short")
	}
	offset := binary.LittleEndian.Uint64(payload)
	length := binary.LittleEndian.Uint64(payload[8:])
	frame, err := wire.ParseFrame(payload[16:])
	head := payload[fixed:]
	if err != nil || frame.Kind != wire.Response || int(frame.Head) != len(head) || offset > 1<<62 || length > 1<<62 {
		f.Close()
		return errors.New("its frame does not parse")
	}
	w.answered.Add(1)
	return w.cfg.Receiver.File(w, &frame, head, f, int64(offset), int64(length))
}

// Promote makes a busy leader send what it has finished and give leadership
// up.
func (w *Worker) Promote() { w.outbox.raise(tellPromote, nil) }

// Ping asks whether the worker's control thread lives, unless an answer to that
// is still to come. It returns how often in a row there was none.
func (w *Worker) Ping() (unanswered int) {
	n := int(w.silent.Add(1)) - 1
	if n == 0 {
		w.outbox.raise(tellPing, nil)
	}
	return n
}

// Select makes the worker read the lanes whose bits are set.
func (w *Worker) Select(lanes uint32) {
	w.outbox.raise(tellLanes, func() { w.outbox.lanes = lanes })
}

// Term has the worker call the application's own handler of SIGTERM, if it has one.
func (w *Worker) Term() { w.outbox.raise(tellTerm, nil) }

// Drain makes the worker stop reading, finish what it runs, and end, within some time if
// it can end what it runs.
func (w *Worker) Drain(within time.Duration) {
	w.outbox.raise(tellDrain, func() { w.outbox.within = uint32(max(within.Milliseconds(), 1)) })
}

// Dump makes the worker tell its stacks, that of the request id first. If
// Python does not answer soon, because something holds its lock, faulthandler
// writes them to the worker's standard error.
func (w *Worker) Dump(id uint64) {
	w.askForStacks(id)
	time.AfterFunc(dumpPatience, func() {
		if w.dumps.Swap(0) > 0 {
			_ = w.proc.Signal(syscall.Signal(w.facts.DumpSignal))
		}
	})
}

func (w *Worker) askForStacks(id uint64) {
	w.dumps.Store(1)
	w.outbox.raise(tellDump, func() { w.outbox.dump = id })
}

const dumpPatience = 300 * time.Millisecond

// Grant lets the request id send n more body bytes. An event loop reads that itself: its
// control thread would have to wait for Python's lock, and the loop for that thread.
func (w *Worker) Grant(id uint64, n uint32) {
	if n == wire.Cancelled || !w.facts.ASGI() {
		w.tell(id, func(e *entry) { e.grant(n) })
		return
	}
	var count [wire.CreditBytes]byte
	binary.LittleEndian.PutUint32(count[:], n)
	w.Say(wire.Inbound{ID: id, Kind: wire.Credited}, count[:])
	w.Flush()
}

// SendBody hands the worker the spooled body of the request id.
func (w *Worker) SendBody(id uint64, f *os.File, length int64) {
	w.tell(id, func(e *entry) { e.body, e.length = f, length })
}

func (w *Worker) tell(id uint64, change func(e *entry)) {
	if !w.outbox.about(id, change) {
		w.fault("control socket", errors.New("it answers more requests than there are"))
	}
}

func isReset(err error) bool {
	return errors.Is(err, syscall.ECONNRESET) || errors.Is(err, os.ErrClosed)
}
