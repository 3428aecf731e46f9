//go:build !linux

package front

import "syscall"

// trySendFile leaves a file to be read and written: what sendfile(2) sends and
// tells is another thing on each of these systems.
func (o *output) trySendFile(uintptr) bool {
	o.errno = syscall.ENOSYS
	return true
}
