package worker

import "golang.org/x/sys/unix"

const controlSocket = unix.SOCK_SEQPACKET
