package worker

import (
	"os"

	"golang.org/x/sys/unix"
)

// sharedMemory makes an unnamed file in memory of so many bytes and maps it. It
// is sealed against a worker that would make it smaller: touching what has gone
// would end the master.
func sharedMemory(name string, size int) (*os.File, []byte, error) {
	fd, err := unix.MemfdCreate(name, unix.MFD_CLOEXEC|unix.MFD_ALLOW_SEALING)
	if err != nil {
		return nil, nil, os.NewSyscallError("memfd_create", err)
	}
	f, mem, err := mapFile(os.NewFile(uintptr(fd), name), size)
	if err != nil {
		return nil, nil, err
	}
	if _, err := unix.FcntlInt(f.Fd(), unix.F_ADD_SEALS, unix.F_SEAL_SEAL|unix.F_SEAL_SHRINK|unix.F_SEAL_GROW); err != nil {
		f.Close()
		return nil, nil, os.NewSyscallError("seal memfd", err)
	}
	return f, mem, nil
}

// forget gives a part of shared memory, whole pages, back to the kernel: it
// reads as zeroes again.
func forget(mem []byte) { _ = unix.Madvise(mem, unix.MADV_REMOVE) }

// SealedFile makes an unnamed file in memory that holds data and can no longer
// be changed.
func SealedFile(name string, data []byte) (*os.File, error) {
	fd, err := unix.MemfdCreate(name, unix.MFD_CLOEXEC|unix.MFD_ALLOW_SEALING)
	if err != nil {
		return nil, os.NewSyscallError("memfd_create", err)
	}
	f := os.NewFile(uintptr(fd), name)
	if _, err := f.Write(data); err != nil {
		f.Close()
		return nil, err
	}
	seals := unix.F_SEAL_SEAL | unix.F_SEAL_SHRINK | unix.F_SEAL_GROW | unix.F_SEAL_WRITE
	if _, err := unix.FcntlInt(f.Fd(), unix.F_ADD_SEALS, seals); err != nil {
		f.Close()
		return nil, os.NewSyscallError("seal memfd", err)
	}
	return f, nil
}
