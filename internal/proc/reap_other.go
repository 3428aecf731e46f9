//go:build !linux

package proc

// Reap does nothing: containers, where a server is process 1, are Linux's.
func (s *Starter) Reap() (stop func()) { return func() {} }
