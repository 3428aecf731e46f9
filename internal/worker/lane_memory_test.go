package worker

import (
	"errors"
	"os"
	"syscall"
	"testing"
)

// A kernel that is short of memory for a moment loses no request: the lane waits, until it is stopped.
func TestALaneWaitsForTheKernelsMemory(t *testing.T) {
	l, err := NewLane()
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	lacks := []syscall.Errno{syscall.ENOMEM, syscall.ENOBUFS}
	l.write = func(fd int, packet []byte) (int, syscall.Errno) {
		if len(lacks) > 0 {
			errno := lacks[0]
			lacks = lacks[1:]
			return 0, errno
		}
		return writePacket(fd, packet)
	}
	if err := l.Send([]byte("request")); err != nil {
		t.Fatal(err)
	}
	if n := l.Unread(); n == 0 {
		t.Error("it was not sent")
	}
	l.write = func(int, []byte) (int, syscall.Errno) { return 0, syscall.ENOMEM }
	l.Stop()
	if err := l.Send([]byte("request")); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("a lane that is stopped says %v", err)
	}
}
