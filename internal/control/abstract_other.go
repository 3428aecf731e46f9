//go:build !linux

package control

import "errors"

// ListenAbstract fails: only Linux has sockets without a path.
func ListenAbstract(string) (*Server, error) { return nil, errors.ErrUnsupported }

func abstract(string) []string { return nil }
