package bench

import (
	"syscall"
	"time"
)

// rawSockets: reading and writing a socket of Windows blocks, so all clients speak by driveStream.
const rawSockets = false

func rawRead(fd uintptr, b []byte) (int, error) { return syscall.Read(syscall.Handle(fd), b) }

func rawWrite(fd uintptr, b []byte) (int, error) { return syscall.Write(syscall.Handle(fd), b) }

func rawQuiet(uintptr) time.Duration { return 0 }

func rawTookAll(uintptr) bool { return false } // unknown

func rawReadable(uintptr) bool { return false } // unknown
