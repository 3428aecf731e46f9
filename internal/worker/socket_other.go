//go:build !linux

package worker

import "golang.org/x/sys/unix"

// Unix sockets of type SEQPACKET are not everywhere.
const (
	controlSocket = unix.SOCK_DGRAM
	closeOnExec   = 0 // takeFile sees to it
)
