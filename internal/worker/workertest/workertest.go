// Package workertest makes a test binary a worker process, so that what starts
// and serves workers is tested with real processes, sockets and signals and
// without Python. Only tests import it.
//
// A test's TestMain calls Main with what its workers do; Environ in a spec's
// environment chooses one of them.
package workertest

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/signal"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"girin/internal/wire"
)

const variable = "GIRIN_WORKERTEST"

// Environ is the environment that makes the test binary a worker which does
// what Main's table has under that name. The race detector's pause at the end
// of a process is left out.
func Environ(name string) []string {
	return []string{variable + "=" + name, "GORACE=atexit_sleep_ms=0"}
}

// Main runs a worker, if this process was started to be one. A worker whose
// function returns ends with exit code 0, or 70 and a text if it failed.
func Main(workers map[string]func(w *Worker) error) {
	name := os.Getenv(variable)
	if name == "" {
		return
	}
	endsByQuit()
	w, err := inherit()
	if err == nil {
		err = workers[name](w)
	}
	if err != nil {
		fmt.Fprintf(os.Stderr, "worker %s: %v\n", name, err)
		os.Exit(70)
	}
	os.Exit(0)
}

// QuitCode is the exit code after QUIT, by which tests tell that end from others.
const QuitCode = 13

// endsByQuit has QUIT end the process, as it does a real worker's: Go's runtime would tell
// all its stacks.
func endsByQuit() {
	quit := make(chan os.Signal, 1)
	signal.Notify(quit, syscall.SIGQUIT)
	go func() { <-quit; os.Exit(QuitCode) }()
}

// Worker is this process as a worker: the descriptors that package wire lists.
type Worker struct {
	Control  *net.UnixConn
	Response *os.File
	Page     []uint64
	Arena    []byte
	lane     *os.File
}

func inherit() (*Worker, error) {
	w := &Worker{Response: os.NewFile(wire.ResponseFD, "response")}
	f := os.NewFile(wire.ControlFD, "control")
	c, err := net.FileConn(f)
	if err != nil {
		return nil, err
	}
	f.Close()
	w.Control = c.(*net.UnixConn)
	page, err := mapped(wire.PageFD)
	if err != nil {
		return nil, err
	}
	w.Page = unsafe.Slice((*uint64)(unsafe.Pointer(&page[0])), len(page)/8)
	if w.Arena, err = mapped(wire.ArenaFD); err != nil {
		return nil, err
	}
	w.lane, err = ownLane()
	return w, err
}

// ownLane opens the lane anew, for an open file description of its own: non-blocking,
// but not for others. A socket cannot be; then none of its readers blocks.
func ownLane() (*os.File, error) {
	f, err := os.OpenFile("/proc/self/fd/"+strconv.Itoa(wire.LaneFD), os.O_RDONLY|unix.O_NONBLOCK, 0)
	if !errors.Is(err, unix.ENXIO) {
		return f, err
	}
	if err := unix.SetNonblock(wire.LaneFD, true); err != nil {
		return nil, err
	}
	return os.NewFile(wire.LaneFD, "lane"), nil
}

func mapped(fd int) ([]byte, error) {
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return nil, err
	}
	return unix.Mmap(fd, 0, int(st.Size), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
}

// Send sends a control message, and files with it.
func (w *Worker) Send(c wire.Control, payload []byte, files ...*os.File) error {
	var fds []int
	for _, f := range files {
		fds = append(fds, int(f.Fd()))
	}
	_, _, err := w.Control.WriteMsgUnix(c.Append(nil, payload), unix.UnixRights(fds...), nil)
	return err
}

// Receive waits for the next control message; file is what came with it.
func (w *Worker) Receive() (c wire.Control, payload []byte, file *os.File, err error) {
	buf, oob := make([]byte, wire.MaxControl), make([]byte, 64)
	n, oobn, _, _, err := w.Control.ReadMsgUnix(buf, oob)
	if err != nil {
		return c, nil, nil, err
	}
	if messages, err := unix.ParseSocketControlMessage(oob[:oobn]); err == nil && len(messages) > 0 {
		if fds, err := unix.ParseUnixRights(&messages[0]); err == nil && len(fds) == 1 {
			file = os.NewFile(uintptr(fds[0]), "body")
		}
	}
	c, payload, err = wire.ParseControl(buf[:n])
	return c, payload, file, err
}

// Hello waits for the settings and decodes them into settings, if it is not nil.
func (w *Worker) Hello(settings any) error {
	c, payload, _, err := w.Receive()
	if err != nil {
		return err
	}
	if c.Op != wire.Hello {
		return fmt.Errorf("message %d came where Hello belongs", c.Op)
	}
	if settings == nil {
		return nil
	}
	return json.Unmarshal(payload, settings)
}

// Ready says that the worker is ready.
func (w *Worker) Ready() error {
	return w.Send(wire.Control{Op: wire.Ready}, fmt.Appendf(nil, `{"pid": %d, "python": "3.0"}`, os.Getpid()))
}

// Broken says that the application cannot be served.
func (w *Worker) Broken(code int, text string) error {
	payload, err := json.Marshal(map[string]any{"code": code, "text": text})
	if err != nil {
		return err
	}
	return w.Send(wire.Control{Op: wire.Broken}, payload)
}

// Log sends a line for the log.
func (w *Worker) Log(level int, text string) error {
	return w.Send(wire.Control{Op: wire.Log, N: uint32(level)}, []byte(text))
}

// Request is what a worker has read from the lane: the head and the blocks.
type Request struct {
	wire.Request
	Block, Body []byte
}

// Read waits for the next request; it returns os.ErrDeadlineExceeded after
// StopReading.
func (w *Worker) Read() (*Request, error) {
	packet := make([]byte, wire.MaxPacket)
	n, err := w.lane.Read(packet)
	if err != nil {
		return nil, err
	}
	return parseRequest(packet[:n], w.Arena)
}

// StopReading makes Read return without a request, now and later.
func (w *Worker) StopReading() error { return w.lane.SetReadDeadline(time.Unix(1, 0)) }

// parseRequest decodes a packet, and what of it lies in the arena.
func parseRequest(packet, arena []byte) (*Request, error) {
	head, err := wire.ParseRequest(packet)
	if err != nil {
		return nil, err
	}
	block := packet[wire.RequestHead:]
	if head.Flags&wire.InArena != 0 {
		block = arena[head.At:]
	}
	if len(block) < int(head.Environ)+int(head.Body) {
		return nil, errors.New("the packet is shorter than it says")
	}
	block = append([]byte(nil), block[:head.Environ+head.Body]...)
	return &Request{Request: head, Block: block[:head.Environ], Body: block[head.Environ:]}, nil
}

// Note notes in a slot of the page what it runs; id 0: nothing.
func (w *Worker) Note(slot int, id uint64) {
	c := w.Page[wire.PageFirstSlot+2*slot:]
	var now unix.Timespec
	_ = unix.ClockGettime(unix.CLOCK_MONOTONIC, &now)
	atomic.StoreUint64(&c[1], uint64(now.Nano()))
	atomic.StoreUint64(&c[0], id)
}

// Answer sends a whole response.
func (w *Worker) Answer(id uint64, status, body string) error {
	_, err := w.Response.Write(Whole(id, status, body))
	return err
}

// AnswerInPage sends a whole response with its body in the page, from a unit on
// for which it waits.
func (w *Worker) AnswerInPage(id uint64, status, body string, place int) error {
	slots, units := int(w.Page[1]), int(w.Page[2])
	state := &w.Page[wire.PageStates(slots)+place]
	for atomic.LoadUint64(state) != 0 {
		time.Sleep(time.Millisecond)
	}
	atomic.StoreUint64(state, uint64(len(body)/wire.PageUnit+1))
	mem := unsafe.Slice((*byte)(unsafe.Pointer(&w.Page[0])), 8*len(w.Page))
	copy(mem[wire.PageUnitAt(slots, units, place):], body)
	f := wire.Frame{
		ID: id, Kind: wire.Response, Flags: wire.Final | wire.Whole | wire.InPage,
		Head: uint32(len(status)), Body: uint32(len(body)),
	}
	var b [wire.ResponseHead]byte
	f.Put(b[:])
	_, err := w.Response.Write(binary.LittleEndian.AppendUint32(append(b[:], status...), uint32(place)))
	return err
}

// Whole is the frame of a whole response.
func Whole(id uint64, status, body string) []byte {
	return AppendFrame(nil, wire.Frame{ID: id, Kind: wire.Response, Flags: wire.Final | wire.Whole}, status, body)
}

// AppendFrame appends a frame with its head block and body.
func AppendFrame(dst []byte, f wire.Frame, head, body string) []byte {
	f.Head, f.Body = uint32(len(head)), uint32(len(body))
	var b [wire.ResponseHead]byte
	f.Put(b[:])
	return append(append(append(dst, b[:]...), head...), body...)
}

// Serve says Ready and then hands requests to run, one at a time, as long as
// the master wants; then it returns. It heeds Lanes, Ping and Drain.
func (w *Worker) Serve(run func(r *Request) error) error {
	if err := w.Hello(nil); err != nil {
		return err
	}
	if err := w.Ready(); err != nil {
		return err
	}
	begin := make(chan struct{})
	go w.heed(sync.OnceFunc(func() { close(begin) }))
	<-begin
	for {
		r, err := w.Read()
		if errors.Is(err, os.ErrDeadlineExceeded) {
			return nil
		}
		if err == nil {
			w.Note(0, r.ID)
			err = run(r)
			w.Note(0, 0)
		}
		if err != nil {
			return err
		}
	}
}

// heed reads control messages until the master has gone.
func (w *Worker) heed(begin func()) {
	for {
		c, _, _, err := w.Receive()
		switch {
		case err != nil:
			os.Exit(0)
		case c.Op == wire.Lanes && c.N != 0:
			begin()
		case c.Op == wire.Ping:
			_ = w.Send(wire.Control{Op: wire.Pong, N: c.N}, nil)
		case c.Op == wire.Drain:
			_ = w.StopReading()
			begin()
		}
	}
}
