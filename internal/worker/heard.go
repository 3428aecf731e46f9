package worker

import (
	"net"

	"golang.org/x/sys/unix"
)

// Heard reports whether all that the worker has sent was passed on: nothing of it lies in
// its sockets, and no reader has any of it in hands. Nor may it owe a sign of life: where
// something holds Python's lock it keeps what it has finished, as for a batch.
func (w *Worker) Heard() bool {
	return w.silent.Load() == 0 && w.listens.Load() && !w.handles.Load() && isRead(w.response) && isRead(w.control) &&
		w.listens.Load() && !w.handles.Load()
}

// isRead reports whether nothing lies unread in a socket.
func isRead(c *net.UnixConn) bool {
	raw, err := c.SyscallConn()
	n := 0
	if err == nil {
		failed := raw.Control(func(fd uintptr) { n, err = unix.IoctlGetInt(int(fd), fionread) })
		return failed == nil && err == nil && n == 0
	}
	return false
}
