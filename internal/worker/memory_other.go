//go:build !linux

package worker

import "os"

// sharedMemory makes a file without a name of so many bytes and maps it.
func sharedMemory(name string, size int) (*os.File, []byte, error) {
	f, err := unnamedFile("", name)
	if err != nil {
		return nil, nil, err
	}
	return mapFile(f, size)
}

// forget may give a part of shared memory back to the kernel.
func forget([]byte) {}

// SealedFile makes a file without a name that holds data. Sealing is Linux's.
func SealedFile(name string, data []byte) (*os.File, error) {
	f, err := unnamedFile("", name)
	if err != nil {
		return nil, err
	}
	if _, err := f.Write(data); err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// MemoryRefused is nil: files without a name are what there is.
func MemoryRefused() error { return nil }
