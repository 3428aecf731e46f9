// Package spool keeps what outgrows memory of requests and answers: files that
// never have a name, in one directory, or where that cannot be written in memory
// that is a file. It owns what all of them may take together. Whose bytes they
// are, and what becomes of a request for which there is no room, is the front's.
package spool

import (
	"errors"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
)

// Config of a Store. Its functions may be called from any goroutine.
type Config struct {
	Dir string // "": the system's temporary directory
	// MemoryLeft is how much memory there is for files, where they are in
	// memory; nil or not ok: it is not known.
	MemoryLeft func() (bytes int64, ok bool)
	// Take takes one of the descriptors that there are for files, Give gives
	// it back; nil: there are enough. Of one that yields, nothing else may
	// be ended for it.
	Take func(yields bool) bool
	Give func()
	Warn func(format string, args ...any)
}

// Why there is no room for a file or for more of it.
var (
	ErrFull        = errors.New("no room is left for spool files")
	ErrDescriptors = errors.New("no descriptor is left for a spool file")
)

// Store makes files and counts them.
type Store struct {
	cfg    Config
	memory atomic.Bool // the directory cannot be written
	said   sync.Once   // Warn was told so

	bytes  atomic.Int64 // in all files
	files  atomic.Int64
	pieces atomic.Int64 // that files collect small appends in
	most   atomic.Int64 // what bytes may be, when they were looked
	looked atomic.Int64
}

// Open returns a store. Whether the directory can be written is found out now,
// so that it is said at the start and not by the first large request.
func Open(cfg Config) *Store {
	if cfg.Dir == "" {
		cfg.Dir = os.TempDir()
	}
	s := &Store{cfg: cfg}
	f, err := namelessFile(cfg.Dir)
	switch {
	case err == nil:
		f.Close()
	case !isShortage(err):
		s.resort(err)
	}
	s.look(0)
	return s
}

// resort goes over to memory.
func (s *Store) resort(why error) {
	s.memory.Store(true)
	s.said.Do(func() {
		if f, err := memoryFile(); err != nil {
			s.cfg.Warn("large request bodies will be refused: the spool directory %s cannot be written (%v), and memory cannot be a file (%v)", s.cfg.Dir, why, err)
		} else {
			f.Close()
			s.cfg.Warn("the spool directory %s cannot be written (%v): what outgrows memory is kept in memory all the same, as far as half of it is free", s.cfg.Dir, why)
		}
	})
}

// Bytes is how many bytes all files hold.
func (s *Store) Bytes() int64 { return s.bytes.Load() }

// Files is how many files there are.
func (s *Store) Files() int64 { return s.files.Load() }

// New makes a file for a request's body, which has nowhere else to go.
func (s *Store) New() (*File, error) { return s.make(false) }

// NewAnswer makes a file for an answer: its bytes leave a quarter of the room, and
// its descriptor is none that something else would have to give up for it.
func (s *Store) NewAnswer() (*File, error) { return s.make(true) }

func (s *Store) make(yields bool) (*File, error) {
	if s.cfg.Take != nil && !s.cfg.Take(yields) {
		return nil, ErrDescriptors
	}
	f, err := s.create()
	if err != nil {
		s.give()
		return nil, judged(err)
	}
	s.files.Add(1)
	return &File{store: s, file: f, yields: yields}, nil
}

func (s *Store) create() (*os.File, error) {
	if !s.memory.Load() {
		f, err := namelessFile(s.cfg.Dir)
		if err == nil || isShortage(err) {
			return f, err
		}
		s.resort(err) // it was there at the start
	}
	return memoryFile()
}

func (s *Store) give() {
	if s.cfg.Give != nil {
		s.cfg.Give()
	}
}

// lookEvery is how many bytes may come before it is looked how much room there
// is: a look is a system call.
const lookEvery = 1 << 20

// reserve counts n bytes more, if there is room for them.
func (s *Store) reserve(n int64, yields bool) bool {
	now := s.bytes.Add(n)
	if now-s.looked.Load() >= lookEvery || now > s.mostOf(yields) {
		s.look(now - n)
	}
	if now > s.mostOf(yields) {
		s.bytes.Add(-n)
		return false
	}
	return true
}

func (s *Store) mostOf(yields bool) int64 {
	most := s.most.Load()
	if yields {
		most -= most / 4
	}
	return most
}

// look notes what all files may take together: half of what is free, and of what
// they hold already.
func (s *Store) look(held int64) {
	left, known := s.left()
	if !known {
		left = memoryUnknown
	}
	s.most.Store((left + held) / 2)
	s.looked.Store(held)
}

// memoryUnknown is what is taken to be free where it cannot be known.
const memoryUnknown = 1 << 30

func (s *Store) left() (bytes int64, known bool) {
	switch {
	case !s.memory.Load():
		return diskLeft(s.cfg.Dir)
	case s.cfg.MemoryLeft != nil:
		return s.cfg.MemoryLeft()
	}
	return 0, false
}

// isShortage reports whether the lack of a file says nothing about its directory.
func isShortage(err error) bool {
	return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) ||
		errors.Is(err, syscall.EMFILE) || errors.Is(err, syscall.ENFILE)
}

// judged puts the store's own name for a shortage before the system's.
func judged(err error) error {
	switch {
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT), errors.Is(err, syscall.EFBIG): // the last where files have a limit (ulimit -f)
		return fmt.Errorf("%w: %w", ErrFull, err)
	case errors.Is(err, syscall.EMFILE), errors.Is(err, syscall.ENFILE):
		return fmt.Errorf("%w: %w", ErrDescriptors, err)
	}
	return err
}
