package logs

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

// sinkConfig is what distinguishes the two logs' sinks.
type sinkConfig struct {
	name    string      // for messages: "error log"
	target  Target      // where lines go
	std     io.Writer   // what "-" means
	tell    func(error) // called once when the medium begins to fail
	limit   int         // bytes that may wait; lines beyond are dropped
	batch   int         // bytes that are written at once without waiting for delay
	delay   time.Duration
	named   bool // the name says where lines go
	oneEach bool // one write for each record, so that lines of several processes do not mix
	mute    bool // where the standard stream is what fails, nobody is left to tell
}

// medium is what lines are written to.
type medium struct {
	io.Writer
	target Target
	file   *os.File // the writer, when it is ours to close; nil: it is not
}

// move is a change of the medium.
type move struct {
	to     medium
	before int // how many records in pending are older
}

func (c *sinkConfig) open(t Target) (medium, error) {
	if t.standard() {
		return medium{Writer: c.std, target: t}, nil
	}
	f, err := t.open()
	if err != nil {
		return medium{}, fmt.Errorf("%s: %w", c.name, err)
	}
	return medium{Writer: f, target: t, file: f}, nil
}

func (m medium) close() {
	if m.file != nil {
		m.file.Close()
	}
}

// sink carries records from many goroutines to one file.
//
//	Append ──▶ pending ──(swap)──▶ writing ──▶ out
//	callers    mu                  run() alone
type sink struct {
	conf sinkConfig

	mu      sync.Mutex // guards pending, ends, clock, target, moves, closed
	pending []byte
	ends    []int  // where each record in pending ends
	clock   clock  // of the access log
	target  Target // where lines go from now on
	moves   []move // in their order, for run
	closed  bool

	wake chan struct{} // capacity 1: pending has something for run
	done chan struct{} // closed when run has returned

	lost atomic.Uint64

	// Owned by run.
	out     medium
	failing bool
	owed    bool      // it fails, and tell was called too recently to say so
	told    time.Time // when tell was called last
	torn    bool      // the last write ended inside a line
}

func newSink(conf sinkConfig) (*sink, error) {
	out, err := conf.open(conf.target)
	if err != nil {
		return nil, err
	}
	s := &sink{conf: conf, target: conf.target, out: out, wake: make(chan struct{}, 1), done: make(chan struct{})}
	go s.run()
	return s, nil
}

// Append adds the record that add appends to the buffer it is given.
func (s *sink) Append(add func([]byte) []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if start, room := s.beginLocked(); room {
		s.pending = add(s.pending)
		s.endLocked(start)
	}
}

// beginLocked tells where the next record starts in pending, and whether there is room for it.
func (s *sink) beginLocked() (start int, room bool) {
	if s.closed || len(s.pending) >= s.conf.limit {
		s.lost.Add(1)
		return 0, false
	}
	return len(s.pending), true
}

// endLocked takes the record that was appended to pending since beginLocked.
func (s *sink) endLocked(start int) {
	s.ends = append(s.ends, len(s.pending))
	if start == 0 || (start < s.conf.batch && len(s.pending) >= s.conf.batch) {
		s.signal()
	}
}

func (s *sink) signal() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// Reopen opens the file anew, for log rotation. A failure leaves the old file in use.
func (s *sink) Reopen() error {
	s.mu.Lock()
	target := s.target
	s.mu.Unlock()
	if target.standard() {
		return nil
	}
	return s.take(target)
}

// Redirect has later records go elsewhere. A failure leaves all as it was.
func (s *sink) Redirect(t Target) error {
	s.mu.Lock()
	same := s.target == t
	s.mu.Unlock()
	if same {
		return nil
	}
	return s.take(t)
}

// take opens what records go to from now on.
func (s *sink) take(t Target) error {
	m, err := s.conf.open(t)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		m.close()
		return nil
	}
	s.target, s.moves = t, append(s.moves, move{m, len(s.ends)})
	s.signal()
	return nil
}

// closeGrace bounds how long Close waits for a medium that does not take the last lines.
const closeGrace = time.Second

// Close writes what waits, for at most closeGrace, and closes the file.
func (s *sink) Close() error {
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	s.signal()
	timer := time.NewTimer(closeGrace)
	defer timer.Stop()
	select {
	case <-s.done:
		return nil
	case <-timer.C:
		return fmt.Errorf("%s: the last lines could not be written within %v", s.conf.name, closeGrace)
	}
}

// run writes until the sink is closed and empty.
func (s *sink) run() {
	defer close(s.done)
	var writing []byte
	var ends []int
	for {
		<-s.wake
		s.gather()
		s.mu.Lock()
		s.pending, writing = writing[:0], s.pending
		s.ends, ends = ends[:0], s.ends
		moves, closed := s.moves, s.closed
		s.moves = nil
		s.mu.Unlock()

		done, written := 0, 0
		for _, m := range moves {
			written = s.write(writing, written, ends[done:m.before])
			s.out.close()
			s.out, s.failing, s.torn, done = m.to, false, false, m.before
		}
		s.write(writing, written, ends[done:])
		if closed {
			s.out.close()
			return
		}
	}
}

// gather waits for more records, up to the delay, unless there is a batch or an end.
func (s *sink) gather() {
	if s.conf.delay == 0 || s.urgent() {
		return
	}
	timer := time.NewTimer(s.conf.delay)
	defer timer.Stop()
	for !s.urgent() {
		select {
		case <-timer.C:
			return
		case <-s.wake:
		}
	}
}

func (s *sink) urgent() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.closed || len(s.moves) > 0 || len(s.pending) >= s.conf.batch
}

// write puts out the records of buf from start on, which end at ends, and returns where the last
// one ends.
func (s *sink) write(buf []byte, start int, ends []int) int {
	if len(ends) == 0 {
		return start
	}
	last := ends[len(ends)-1]
	if !s.conf.oneEach {
		s.writeOut(buf[start:last], len(ends))
		return last
	}
	for _, end := range ends {
		s.writeOut(buf[start:end], 1)
		start = end
	}
	return last
}

// writeOut writes p, which holds the given number of records, and keeps account of failures.
func (s *sink) writeOut(p []byte, records int) {
	if len(p) == 0 {
		return
	}
	if s.torn {
		// The medium filled up inside a line; the next one begins on its own.
		if _, err := s.out.Write([]byte{'\n'}); err != nil {
			s.lost.Add(uint64(records))
			s.fails(err)
			return
		}
		s.torn = false
	}
	n, err := s.out.Write(p)
	if err == nil {
		s.failing, s.owed = false, false
		return
	}
	s.torn = n > 0 && p[n-1] != '\n'
	s.lost.Add(uint64(max(1, records-bytes.Count(p[:n], []byte{'\n'}))))
	s.fails(err)
}

// fails tells that a write has failed, unless that is known, or was told too recently: then a
// later one that fails does.
func (s *sink) fails(err error) {
	if s.owed = s.owed || !s.failing; s.owed && time.Since(s.told) > tellEvery {
		s.owed, s.told = false, time.Now()
		if !s.conf.mute || !s.out.target.standard() {
			s.conf.tell(fmt.Errorf("%s: %w; lines are lost until it can be written again", s.place(), err))
		}
	}
	s.failing = true
}

// tellEvery is how often a medium that fails by turns is told of: by UDP a line that nobody takes
// is known only from the next one's write, and the one after that seems to succeed.
const tellEvery = time.Minute

// place is where lines go, for messages.
func (s *sink) place() string {
	if s.conf.named {
		return s.conf.name
	}
	return fmt.Sprintf("%s %s", s.conf.name, s.out.target)
}
