package front

import (
	"io"
	"sync"

	"girin/internal/front/spool"
)

// spill is the part of an answer that its client has not taken and that memory
// shall not hold, so that no thread of the application waits for the client:
//
//	answer ─▶ tail (memory) ─▶ file (spool) ─▶ client
//	            credit is given for what has left it
//
// What it holds are bytes as they go over the wire, or a stream's body. All is
// under the connection's lock, which is free while a file is written or read:
// disks may be slow, and who brings an answer reads for others as well.
type spill struct {
	srv   *Server
	lock  sync.Locker
	moved func() // called under lock, when bytes have gone from tail to file, or cannot

	file    *spool.File
	read    int64 // of file, what the client has got
	written int64 // of file, what can be read
	tail    []byte
	leaving int  // bytes of a tail that are just written
	moving  bool // move runs
	using   bool // somebody reads file without the lock
	copied  bool // sendfile(2) does not know this file
	full    bool // no more goes to file: what follows keeps its credit
	gone    bool // nobody waits for it any more
}

// newSpill begins a spill; nil: there is no room for one.
func (s *Server) newSpill(lock sync.Locker, moved func()) *spill {
	if s.cfg.SpoolResponse <= 0 {
		return nil
	}
	f, err := s.spool.NewAnswer()
	if err != nil {
		s.warned.once(s, "spill "+err.Error(), "answers wait in memory for slow clients, and where they are many or large the application's threads with them: "+err.Error())
		return nil
	}
	return &spill{srv: s, lock: lock, moved: moved, file: f}
}

// held is how many of its bytes are in memory.
func (s *spill) held() int { return len(s.tail) + s.leaving }

// unread is how many bytes of its file the client has not got.
func (s *spill) unread() int64 { return s.written - s.read }

// ready reports whether there is something to send: bytes of the file, or what
// follows it.
func (s *spill) ready() bool { return s.unread() > 0 || !s.moving }

// whole reports whether all that it got was sent.
func (s *spill) whole() bool { return s.unread() == 0 && s.held() == 0 && !s.moving }

// add appends.
func (s *spill) add(b []byte) {
	s.tail = append(s.tail, b...)
	s.srv.queued.Add(int64(len(b)))
	s.moveOn()
}

// moveOn has the tail moved to the file, as far as that may grow. Beyond, the
// application waits for the client, so that what never ends stays bounded.
func (s *spill) moveOn() {
	if s.moving || !s.movable() {
		return
	}
	s.moving = true
	s.srv.done.Add(1) // not from zero: the connection counts
	go func() {
		defer s.srv.done.Done()
		s.move()
	}()
}

func (s *spill) movable() bool {
	return len(s.tail) > 0 && !s.full && !s.gone && s.unread() < s.srv.cfg.SpoolResponse
}

func (s *spill) move() {
	s.lock.Lock()
	defer s.lock.Unlock()
	for s.movable() {
		s.moveStep()
	}
	if s.moving = false; len(s.tail) == 0 {
		s.tail = nil // its room
	}
	s.moved()
	s.release()
}

// moveStep moves what the tail has. The lock is free meanwhile.
func (s *spill) moveStep() {
	b := s.tail
	s.tail, s.leaving = nil, len(b)
	s.lock.Unlock()
	err := s.file.Append(b)
	if err == nil {
		err = s.file.Flush()
	}
	s.lock.Lock()
	s.leaving = 0
	switch {
	case s.gone:
		s.srv.queued.Add(-int64(len(b)))
	case err != nil:
		s.tail, s.full = append(b, s.tail...), true
		s.srv.warned.once(s.srv, "spill "+err.Error(), "answers wait in memory for slow clients, and where they are many or large the application's threads with them: "+err.Error())
	default:
		s.written += int64(len(b))
		s.srv.queued.Add(-int64(len(b)))
		if s.tail == nil {
			s.tail = b[:0] // its room, for what follows
		}
		s.moved()
	}
}

// fill reads the file's next bytes, of which there are some. The lock is free
// meanwhile.
func (s *spill) fill(buf []byte) (n int, err error) {
	want := min(int64(len(buf)), s.unread())
	s.use(func(at int64) int64 {
		if n, err = s.file.ReadAt(buf[:want], at); n > 0 {
			err = nil
		} else if err == nil {
			err = io.ErrUnexpectedEOF
		}
		return int64(n)
	})
	return n, err
}

// use frees the lock while do takes bytes from the file, and says how many.
func (s *spill) use(do func(at int64) int64) {
	at := s.read
	s.using = true
	s.lock.Unlock()
	n := do(at)
	s.file.Drop(at + n)
	s.lock.Lock()
	s.using = false
	s.read += n
	s.moveOn()
	s.release()
}

// end gives back all but the tail, which it returns: what follows the file when
// all of that was read.
func (s *spill) end() (tail []byte) {
	tail, s.tail, s.gone = s.tail, nil, true
	s.release()
	return tail
}

// forget is end for a client that has gone.
func (s *spill) forget() {
	if s != nil && !s.gone {
		s.srv.queued.Add(-int64(len(s.end())))
	}
}

// release closes the file when nobody needs it any more.
func (s *spill) release() {
	if s.gone && !s.moving && !s.using {
		s.srv.closeSpool(s.file)
	}
}
