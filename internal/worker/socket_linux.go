package worker

import "golang.org/x/sys/unix"

const (
	controlSocket = unix.SOCK_SEQPACKET
	closeOnExec   = unix.MSG_CMSG_CLOEXEC // of descriptors that come
)
