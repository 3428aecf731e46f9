package worker

import (
	"encoding/binary"
	"errors"
	"os"
	"sync"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"girin/internal/wire"
)

func newTestLane(t *testing.T) *Lane {
	t.Helper()
	l, err := NewLane()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

// readPacket reads the next packet, which must be there.
func readPacket(t *testing.T, l *Lane) []byte {
	t.Helper()
	b := make([]byte, 2*wire.MaxPacket)
	n, err := unix.Read(int(l.r.Fd()), b)
	if err != nil {
		t.Fatal(err)
	}
	return b[:n]
}

func TestLanePacketsStayApartAndInOrder(t *testing.T) {
	l := newTestLane(t)
	sizes := []int{1, 32, 100, wire.MaxPacket, 5, wire.MaxPacket - 1}
	unread := 0
	for i, n := range sizes {
		b := make([]byte, n)
		b[0] = byte(i)
		if !l.TrySend(b) {
			t.Fatalf("no room for packet %d", i)
		}
		unread += n
	}
	if l.Unread() != unread {
		t.Errorf("%d bytes unread, want %d", l.Unread(), unread)
	}
	for i, n := range sizes {
		if b := readPacket(t, l); len(b) != n || b[0] != byte(i) {
			t.Errorf("packet %d: %d bytes, number %d", i, len(b), b[0])
		}
	}
	if l.Unread() != 0 {
		t.Errorf("%d bytes unread of an empty lane", l.Unread())
	}
}

// fill fills a lane with numbered packets and returns how many it holds.
func fill(l *Lane, size int) (n int) {
	for {
		b := make([]byte, size)
		binary.LittleEndian.PutUint32(b, uint32(n))
		if !l.TrySend(b) {
			return n
		}
		n++
	}
}

func TestAFullLane(t *testing.T) {
	for _, size := range []int{32, 1000, wire.MaxPacket} {
		l := newTestLane(t)
		n := fill(l, size)
		if n < 16 {
			t.Errorf("a lane holds %d packets of %d bytes", n, size)
		}
		for i := range n {
			if b := readPacket(t, l); len(b) != size || binary.LittleEndian.Uint32(b) != uint32(i) {
				t.Fatalf("packet %d has %d bytes and number %d", i, len(b), binary.LittleEndian.Uint32(b))
			}
		}
		if !l.TrySend([]byte("again")) {
			t.Error("there is no room although all was read")
		}
	}
}

func TestSendWaitsForRoom(t *testing.T) {
	l := newTestLane(t)
	n := fill(l, wire.MaxPacket)
	const more = 20
	sent := make(chan error, 1)
	go func() {
		for i := range more {
			b := make([]byte, wire.MaxPacket)
			binary.LittleEndian.PutUint32(b, uint32(n+i))
			if err := l.Send(b); err != nil {
				sent <- err
				return
			}
		}
		sent <- nil
	}()
	for i := range n + more {
		if b := readPacket(t, l); binary.LittleEndian.Uint32(b) != uint32(i) {
			t.Fatalf("packet %d has number %d", i, binary.LittleEndian.Uint32(b))
		}
	}
	if err := <-sent; err != nil {
		t.Error(err)
	}
}

func TestStopEndsSend(t *testing.T) {
	l := newTestLane(t)
	fill(l, wire.MaxPacket)
	sent := make(chan error, 1)
	go func() { sent <- l.Send(make([]byte, wire.MaxPacket)) }()
	l.Stop()
	if err := <-sent; !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("Send ended with %v", err)
	}
}

// Many writers and many readers: each packet is read whole, by one of them.
func TestPacketsAreAtomic(t *testing.T) {
	l := newTestLane(t)
	const writers, each, readers = 4, 500, 4
	var sending, reading sync.WaitGroup
	for w := range writers {
		sending.Go(func() {
			for i := range each {
				b := make([]byte, 8+(w*each+i)*7%(wire.MaxPacket-8))
				for k := range b {
					b[k] = byte(w*each + i)
				}
				binary.LittleEndian.PutUint32(b, uint32(w*each+i))
				binary.LittleEndian.PutUint32(b[4:], uint32(len(b)))
				if err := l.Send(b); err != nil {
					t.Error(err)
				}
			}
		})
	}
	var mu sync.Mutex
	seen := map[uint32]bool{}
	fd := int(l.r.Fd())
	for range readers {
		reading.Go(func() {
			b := make([]byte, 2*wire.MaxPacket)
			for {
				n, err := unix.Read(fd, b)
				if err == syscall.EINTR {
					continue
				}
				if err != nil || n == 1 {
					return
				}
				number := binary.LittleEndian.Uint32(b)
				whole := binary.LittleEndian.Uint32(b[4:]) == uint32(n)
				for _, c := range b[8:n] {
					whole = whole && c == byte(number)
				}
				mu.Lock()
				if !whole || seen[number] {
					t.Errorf("packet %d: whole %v, seen before %v", number, whole, seen[number])
				}
				seen[number] = true
				mu.Unlock()
			}
		})
	}
	sending.Wait()
	for range readers {
		if err := l.Send([]byte{0}); err != nil {
			t.Error(err)
		}
	}
	reading.Wait()
	if len(seen) != writers*each {
		t.Errorf("%d packets came, want %d", len(seen), writers*each)
	}
}

func TestTrySendAllocatesNothing(t *testing.T) {
	l := newTestLane(t)
	packet, buf := make([]byte, 500), make([]byte, wire.MaxPacket)
	fd := int(l.r.Fd())
	n := testing.AllocsPerRun(100, func() {
		l.TrySend(packet)
		_, _ = unix.Read(fd, buf)
	})
	if n != 0 {
		t.Errorf("%v allocations", n)
	}
}
