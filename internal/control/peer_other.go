//go:build !linux

package control

import (
	"net"
	"os"
)

// peerUID trusts the rights of the socket, which are its owner's alone.
func peerUID(*net.UnixConn) (int, error) { return os.Geteuid(), nil }

// ours trusts the directory, which was made with the owner's rights alone.
func ours(string) error { return nil }
