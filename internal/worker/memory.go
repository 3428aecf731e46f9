package worker

import (
	"os"

	"golang.org/x/sys/unix"
)

// mapFile gives f its size and maps it, shared. It closes f if that fails.
func mapFile(f *os.File, size int) (*os.File, []byte, error) {
	if err := f.Truncate(int64(size)); err != nil {
		f.Close()
		return nil, nil, err
	}
	mem, err := unix.Mmap(int(f.Fd()), 0, size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		f.Close()
		return nil, nil, os.NewSyscallError("mmap", err)
	}
	return f, mem, nil
}

// unnamedFile makes a file in a folder, "" for the system's temporary one, that goes
// when nobody has it open.
func unnamedFile(folder, name string) (*os.File, error) {
	f, err := os.CreateTemp(folder, name)
	if err != nil {
		return nil, err
	}
	return f, os.Remove(f.Name())
}
