//go:build unix && !linux

package bench

import "golang.org/x/sys/unix"

// corked is the option of a TCP socket that keeps what is sent until its end goes with it.
const corked = unix.TCP_NOPUSH

func ackAtOnce(uintptr) {} // the system decides
