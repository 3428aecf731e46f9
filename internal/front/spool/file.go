package spool

import (
	"io"
	"os"
	"sync"
)

// File is a file without a name. One goroutine appends, and one may read what
// was appended.
type File struct {
	store  *Store
	file   *os.File
	yields bool

	mu      sync.Mutex
	size    int64  // guarded by mu: of all that was appended
	written int64  // guarded by mu: of that, what file has
	dropped int64  // guarded by mu: at its start, what nobody reads any more
	piece   *piece // guarded by mu: size-written bytes; nil: none
}

// piece collects small appends: a client that sends its body byte by byte would
// cost a system call for each.
type piece [pieceSize]byte

const (
	pieceSize  = 16 << 10
	piecesMost = 2048 // of all files: 32 MiB
)

var pieces = sync.Pool{New: func() any { return new(piece) }}

// Append adds bytes to the end. An error is ErrFull, or the disk's; nothing can
// be appended after it.
func (f *File) Append(b []byte) error {
	if !f.store.reserve(int64(len(b)), f.yields) {
		return ErrFull
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.size += int64(len(b))
	for len(b) > 0 {
		held := int(f.size - f.written - int64(len(b)))
		if held == 0 && (len(b) >= pieceSize || !f.takePieceLocked()) {
			return f.writeLocked(b)
		}
		n := copy(f.piece[held:], b)
		b = b[n:]
		if held += n; held == pieceSize {
			if err := f.writeLocked(f.piece[:]); err != nil {
				return err
			}
		}
	}
	return nil
}

// writeLocked writes b, which is what the file has not.
func (f *File) writeLocked(b []byte) error {
	n, err := f.file.WriteAt(b, f.written)
	f.written += int64(n)
	if err == nil {
		f.releaseLocked()
	}
	return judged(err)
}

// takePieceLocked takes room to collect in, if all files together may have it.
func (f *File) takePieceLocked() bool {
	if f.piece != nil {
		return true
	}
	if f.store.pieces.Add(1) > piecesMost {
		f.store.pieces.Add(-1)
		return false
	}
	f.piece = pieces.Get().(*piece)
	return true
}

func (f *File) releaseLocked() {
	if f.piece != nil {
		pieces.Put(f.piece)
		f.piece = nil
		f.store.pieces.Add(-1)
	}
}

// Flush writes what was collected.
func (f *File) Flush() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if held := f.size - f.written; held > 0 {
		return f.writeLocked(f.piece[:held])
	}
	return nil
}

// Size is how many bytes were appended.
func (f *File) Size() int64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.size
}

// ReadAt reads what was appended, as io.ReaderAt says.
func (f *File) ReadAt(b []byte, at int64) (n int, err error) {
	f.mu.Lock()
	written, size := f.written, f.size
	if at >= written && at < size {
		n = copy(b, f.piece[at-written:size-written])
	}
	f.mu.Unlock()
	switch {
	case at >= size:
		return 0, io.EOF
	case at < written:
		if n, err = f.file.ReadAt(b[:min(int64(len(b)), written-at)], at); err != nil {
			return n, err
		}
	}
	if n < len(b) {
		more, err := f.ReadAt(b[n:], at+int64(n))
		return n + more, err
	}
	return n, nil
}

// dropStep is how much of a file is given back at once.
const dropStep = 1 << 20

// Drop says that nobody reads the bytes before at any more. Their room is given
// back where the system can make a hole.
func (f *File) Drop(at int64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	at = min(at, f.written) &^ (dropStep - 1)
	if at <= f.dropped || punchHole(f.file, f.dropped, at-f.dropped) != nil {
		return
	}
	f.store.bytes.Add(f.dropped - at)
	f.dropped = at
}

// OS is the file itself, with all that was appended before Flush. It is the
// File's to close.
func (f *File) OS() *os.File { return f.file }

// Close gives its room back.
func (f *File) Close() {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.file == nil {
		return
	}
	f.file.Close()
	f.file = nil
	f.releaseLocked()
	f.store.bytes.Add(f.dropped - f.size)
	f.store.files.Add(-1)
	f.store.give()
}
