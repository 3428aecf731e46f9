//go:build !linux

package proc

import "errors"

// Reap does nothing: containers, where a server is process 1, are Linux's.
func (s *Starter) Reap() (stop func()) { return func() {} }

// AdoptOrphans fails: only Linux can do so.
func AdoptOrphans() error { return errors.ErrUnsupported }

// isChild is not asked where nothing can be adopted.
func isChild(int) bool { return false }
