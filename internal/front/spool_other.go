//go:build !linux

package front

import "os"

const unixFIONREAD = 0x4004667f // of the BSDs

// unnamedFile makes a file whose name is gone at once.
func unnamedFile(dir string) (*os.File, error) { return unlinkedFile(dir) }
