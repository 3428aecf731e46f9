package proc

import "syscall"

// onFirstThread reports whether the caller runs on the program's first thread.
func onFirstThread() bool { return syscall.Gettid() == syscall.Getpid() }

// attributes put the child in a group of its own (a terminal's Ctrl-C is for
// the master) and end it when the master dies, however it dies.
func attributes(user *syscall.Credential) *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL, Credential: user}
}
