package worker

import (
	"os"

	"golang.org/x/sys/unix"
)

// sharedMemory makes an unnamed file in memory of so many bytes and maps it.
// Its size is sealed: an application that truncates what it has inherited would
// otherwise end the master, which reads there, by SIGBUS.
func sharedMemory(name string, size int) (*os.File, []byte, error) {
	f, err := memoryFile(name)
	if err != nil {
		return nil, nil, err
	}
	f, mem, err := mapFile(f, size)
	if err != nil {
		return nil, nil, err
	}
	if err := seal(f, 0); err != nil {
		_ = unix.Munmap(mem)
		return nil, nil, err
	}
	return f, mem, nil
}

func memoryFile(name string) (*os.File, error) {
	fd, err := unix.MemfdCreate(name, unix.MFD_CLOEXEC|unix.MFD_ALLOW_SEALING)
	if err != nil {
		return nil, os.NewSyscallError("memfd_create", err)
	}
	return os.NewFile(uintptr(fd), name), nil
}

// seal fixes a file's size, and what else is told, for ever. It closes the file
// if that fails.
func seal(f *os.File, more int) error {
	seals := unix.F_SEAL_SEAL | unix.F_SEAL_SHRINK | unix.F_SEAL_GROW | more
	if _, err := unix.FcntlInt(f.Fd(), unix.F_ADD_SEALS, seals); err != nil {
		f.Close()
		return os.NewSyscallError("seal memfd", err)
	}
	return nil
}

// forget gives a part of shared memory, whole pages, back to the kernel: it
// reads as zeroes again.
func forget(mem []byte) { _ = unix.Madvise(mem, unix.MADV_REMOVE) }

// SealedFile makes an unnamed file in memory that holds data and can no longer
// be changed.
func SealedFile(name string, data []byte) (*os.File, error) {
	f, err := memoryFile(name)
	if err != nil {
		return nil, err
	}
	if _, err := f.Write(data); err != nil {
		f.Close()
		return nil, err
	}
	return f, seal(f, unix.F_SEAL_WRITE)
}
