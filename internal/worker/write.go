package worker

import (
	"syscall"
	"unsafe"
)

// writePacket writes to a non-blocking descriptor. A raw system call: it
// cannot block, so the Go scheduler need not know of it.
func writePacket(fd int, b []byte) (int, syscall.Errno) {
	for {
		n, _, errno := syscall.RawSyscall(syscall.SYS_WRITE, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(b))), uintptr(len(b)))
		if errno != syscall.EINTR {
			return int(n), errno
		}
	}
}
