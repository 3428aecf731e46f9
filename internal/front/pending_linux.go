package front

import "golang.org/x/sys/unix"

const unixFIONREAD = unix.TIOCINQ
