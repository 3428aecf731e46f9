//go:build unix && !linux

package bench

import (
	"syscall"
	"time"
)

const rawSockets = true

func rawRead(fd uintptr, b []byte) (int, error) { return syscall.Read(int(fd), b) }

func rawWrite(fd uintptr, b []byte) (int, error) { return syscall.Write(int(fd), b) }

func rawQuiet(uintptr) time.Duration { return 0 }

func rawTookAll(uintptr) bool { return false } // unknown

func rawReadable(uintptr) bool { return false } // unknown
