//go:build !linux

package worker

import "os"

// fionread asks how many bytes lie unread.
const fionread = 0x4004667f // FIONREAD of the BSDs

// newLane makes a pair of sockets: packet pipes are Linux's.
func newLane() (r, w *os.File, refused, err error) {
	r, w, err = newSocketLane()
	return r, w, nil, err
}
