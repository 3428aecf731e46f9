package worker

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// sharedMemory makes an unnamed file in memory of so many bytes and maps it.
// Its size is sealed: an application that truncates what it has inherited would
// otherwise end the master, which reads there, by SIGBUS.
func sharedMemory(name string, size int) (*os.File, []byte, error) {
	f, sealable, err := memoryFile(name, size, "/dev/shm", os.TempDir())
	if err != nil {
		return nil, nil, err
	}
	f, mem, err := mapFile(f, size)
	if err != nil || !sealable {
		return f, mem, err
	}
	if err := seal(f, 0); err != nil {
		_ = unix.Munmap(mem)
		return nil, nil, err
	}
	return f, mem, nil
}

// memoryFile makes a file in memory, or where that is refused one without a name in
// the first of these folders that has room for so many bytes. That one cannot be
// sealed.
func memoryFile(name string, size int, folders ...string) (f *os.File, sealable bool, err error) {
	fd, err := memfd(name)
	if err == nil {
		return os.NewFile(uintptr(fd), name), true, nil
	}
	if errors.Is(err, unix.EMFILE) || errors.Is(err, unix.ENFILE) {
		return nil, false, err
	}
	for _, folder := range folders {
		if !hasRoom(folder, size) {
			continue
		}
		if f, fault := unnamedFile(folder, name); fault == nil {
			return f, false, nil
		}
	}
	return nil, false, fmt.Errorf("%w, and no folder of %s has room for %d MiB", err, strings.Join(folders, ", "), size>>20)
}

// hasRoom reports whether so many bytes fit: what is written beyond ends the writer
// by SIGBUS. A container's /dev/shm has 64 MiB, if nobody has said otherwise.
func hasRoom(folder string, bytes int) bool {
	var fs unix.Statfs_t
	err := unix.Statfs(folder, &fs)
	return err == nil && fs.Bavail*uint64(fs.Bsize) >= uint64(bytes)
}

func memfd(name string) (int, error) {
	if restricted {
		return 0, os.NewSyscallError("memfd_create", unix.ENOSYS)
	}
	fd, err := unix.MemfdCreate(name, unix.MFD_CLOEXEC|unix.MFD_ALLOW_SEALING)
	return fd, os.NewSyscallError("memfd_create", err)
}

// MemoryRefused is why shared memory lies in files without a name; nil: it does not.
func MemoryRefused() error {
	fd, err := memfd("girin-probe")
	if err == nil {
		unix.Close(fd)
	}
	return err
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
	// Libraries are loaded from it, which /dev/shm often forbids.
	f, sealable, err := memoryFile(name, len(data), os.TempDir(), "/dev/shm")
	if err != nil {
		return nil, err
	}
	if _, err := f.Write(data); err != nil {
		f.Close()
		return nil, err
	}
	if !sealable {
		return f, nil
	}
	return f, seal(f, unix.F_SEAL_WRITE)
}
