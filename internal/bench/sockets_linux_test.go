package bench

import "golang.org/x/sys/unix"

// corked is the option of a TCP socket that keeps what is sent until its end goes with it.
const corked = unix.TCP_CORK

// ackAtOnce has a TCP socket acknowledge what comes before anybody has read it.
func ackAtOnce(fd uintptr) { _ = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_QUICKACK, 1) }
