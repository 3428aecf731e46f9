//go:build !linux

package spool

import (
	"errors"
	"os"
)

// namelessFile makes a file whose name is gone at once.
func namelessFile(dir string) (*os.File, error) { return unlinkedFile(dir) }

func memoryFile() (*os.File, error) { return nil, errors.ErrUnsupported }

func punchHole(*os.File, int64, int64) error { return errors.ErrUnsupported }
