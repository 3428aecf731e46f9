package spool

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
)

// warnings keeps what a store says.
type warnings []string

func (w *warnings) add(format string, args ...any) { *w = append(*w, fmt.Sprintf(format, args...)) }

func open(t *testing.T, cfg Config) (*Store, *warnings) {
	t.Helper()
	said := &warnings{}
	cfg.Warn = said.add
	s := Open(cfg)
	t.Cleanup(func() {
		if s.Bytes() != 0 || s.Files() != 0 || s.pieces.Load() != 0 {
			t.Errorf("%d bytes, %d files, %d pieces are left", s.Bytes(), s.Files(), s.pieces.Load())
		}
	})
	return s, said
}

func newFile(t *testing.T, s *Store) *File {
	t.Helper()
	f, err := s.New()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(f.Close)
	return f
}

// Whatever the sizes of appends, reads and drops, the bytes come back in order.
func TestBytesComeBack(t *testing.T) {
	for name, dir := range map[string]string{"on disk": t.TempDir(), "in memory": filepath.Join(t.TempDir(), "none")} {
		t.Run(name, func(t *testing.T) {
			s, _ := open(t, Config{Dir: dir})
			f := newFile(t, s)
			random := rand.New(rand.NewPCG(1, 2))
			var want []byte
			read := 0
			for range 500 {
				size := []int{0, 1, 7, 1000, pieceSize - 1, pieceSize, pieceSize + 1, 100_000}[random.IntN(8)]
				b := make([]byte, random.IntN(size+1))
				for i := range b {
					b[i] = byte(random.Uint32())
				}
				if err := f.Append(b); err != nil {
					t.Fatal(err)
				}
				want = append(want, b...)
				switch random.IntN(4) {
				case 0:
					got := make([]byte, random.IntN(200_000))
					n, err := f.ReadAt(got, int64(read))
					if short := n < len(got); short != errors.Is(err, io.EOF) || err != nil && !short {
						t.Fatalf("%d of %d bytes at %d of %d: %v", n, len(got), read, len(want), err)
					}
					if !bytes.Equal(got[:n], want[read:read+n]) {
						t.Fatalf("other bytes came back at %d", read)
					}
					read += n
					f.Drop(int64(read))
				case 1:
					if err := f.Flush(); err != nil {
						t.Fatal(err)
					}
				}
			}
			if f.Size() != int64(len(want)) {
				t.Errorf("the size is %d, want %d", f.Size(), len(want))
			}
			if held := s.Bytes(); held > int64(len(want)-read+dropStep+pieceSize) {
				t.Errorf("%d bytes are held of %d that are unread", held, len(want)-read)
			}
			if err := f.Flush(); err != nil {
				t.Fatal(err)
			}
			if st, err := f.OS().Stat(); err != nil || st.Size() != int64(len(want)) {
				t.Errorf("the file has %d bytes, want %d; %v", st.Size(), len(want), err)
			}
		})
	}
}

// Appends of a byte each are few writes.
func TestSmallAppendsAreCollected(t *testing.T) {
	s, _ := open(t, Config{Dir: t.TempDir()})
	f := newFile(t, s)
	before := writes(t)
	for range 500_000 {
		if err := f.Append([]byte{'x'}); err != nil {
			t.Fatal(err)
		}
	}
	if n := writes(t) - before; n > 60 {
		t.Errorf("%d writes", n)
	}
}

func writes(t *testing.T) (n int) {
	t.Helper()
	text, err := os.ReadFile("/proc/self/io")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(text), "syscw: ")
	if _, err := fmt.Sscan(rest, &n); err != nil {
		t.Fatal(err)
	}
	return n
}

// What is collected is bounded over all files; beyond, bytes are written as they come.
func TestPiecesAreBounded(t *testing.T) {
	s, _ := open(t, Config{Dir: t.TempDir()})
	s.pieces.Store(piecesMost)
	f := newFile(t, s)
	for range 10 {
		if err := f.Append([]byte("abc")); err != nil {
			t.Fatal(err)
		}
	}
	if f.piece != nil || f.written != 30 {
		t.Errorf("%d bytes are written", f.written)
	}
	s.pieces.Store(0)
}

func TestADirectoryThatCannotBeWrittenIsSaidAtTheStart(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, dir := range []string{filepath.Join(t.TempDir(), "none"), file, "/proc"} {
		s, said := open(t, Config{Dir: dir})
		if len(*said) != 1 || !strings.Contains((*said)[0], dir) {
			t.Errorf("%s: said %q", dir, *said)
		}
		f := newFile(t, s)
		if err := f.Append(make([]byte, 2<<20)); err != nil {
			t.Errorf("%s: %v", dir, err)
		}
		f.Close()
	}
}

func TestADirectoryThatGoesLater(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "dir")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	s, said := open(t, Config{Dir: dir})
	if len(*said) != 0 {
		t.Errorf("said %q", *said)
	}
	if err := os.Remove(dir); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if err := newFile(t, s).Append([]byte("abc")); err != nil {
			t.Error(err)
		}
	}
	if len(*said) != 1 {
		t.Errorf("said %q", *said)
	}
}

// All files together take half of what is free, and what one gives back another
// may have.
func TestFilesShareOneTotal(t *testing.T) {
	var left atomic.Int64
	left.Store(8 << 20)
	s, _ := open(t, Config{Dir: "/none", MemoryLeft: func() (int64, bool) { return left.Load(), true }})
	a, b := newFile(t, s), newFile(t, s)
	grow := func(f *File, n int64) error {
		err := f.Append(make([]byte, n))
		if err == nil {
			left.Add(-n)
		}
		return err
	}
	if err := grow(a, 3<<20); err != nil {
		t.Fatal(err)
	}
	if err := grow(b, 1<<20+1); !errors.Is(err, ErrFull) {
		t.Errorf("more than half of what was free: %v", err)
	}
	if err := grow(b, 1<<20); err != nil {
		t.Errorf("what was left of it: %v", err)
	}
	a.Close()
	left.Add(3 << 20)
	if err := grow(b, 3<<20); err != nil {
		t.Errorf("what was given back: %v", err)
	}
	b.Close()
}

func TestDescriptorsAreAskedFor(t *testing.T) {
	left := 2
	s, _ := open(t, Config{Dir: t.TempDir(), Give: func() { left++ },
		Take: func(bool) bool { left--; return left >= 0 || func() bool { left++; return false }() }})
	a, b := newFile(t, s), newFile(t, s)
	if _, err := s.New(); !errors.Is(err, ErrDescriptors) {
		t.Errorf("a third file: %v", err)
	}
	a.Close()
	a.Close()
	c := newFile(t, s)
	b.Close()
	c.Close()
	if left != 2 {
		t.Errorf("%d descriptors are left", left)
	}
}

func TestShortagesHaveTheirNames(t *testing.T) {
	for _, test := range []struct{ err, want error }{
		{syscall.ENOSPC, ErrFull}, {syscall.EDQUOT, ErrFull}, {syscall.EMFILE, ErrDescriptors}, {syscall.ENFILE, ErrDescriptors},
	} {
		err := judged(os.NewSyscallError("write", test.err))
		if !errors.Is(err, test.want) || !errors.Is(err, test.err) {
			t.Errorf("%v: %v", test.err, err)
		}
	}
	if err := judged(syscall.EIO); err != syscall.EIO {
		t.Error(err)
	}
}

// Where files may not grow beyond a limit (ulimit -f) there is no room, and what was written is given back.
func TestAFileThatMayNotGrowIsFull(t *testing.T) {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_FSIZE, &limit); err != nil {
		t.Fatal(err)
	}
	lower := limit
	lower.Cur = 1 << 20
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &lower); err != nil {
		t.Fatal(err)
	}
	defer syscall.Setrlimit(syscall.RLIMIT_FSIZE, &limit)
	s, _ := open(t, Config{Dir: t.TempDir()})
	if err := newFile(t, s).Append(make([]byte, 2<<20)); !errors.Is(err, ErrFull) {
		t.Errorf("it says %v", err)
	}
}
