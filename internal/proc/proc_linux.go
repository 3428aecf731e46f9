package proc

import "syscall"

// onFirstThread reports whether the caller runs on the program's first thread.
func onFirstThread() bool { return syscall.Gettid() == syscall.Getpid() }

// attributes put the child in a session of its own (a terminal's Ctrl-C is for
// the master, and who opens /dev/tty is told at once that there is none) unless it
// is for the terminal's user, and end it when the master dies, however it dies.
func attributes(user *syscall.Credential, foreground bool) *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setsid: !foreground, Pdeathsig: syscall.SIGKILL, Credential: user}
}
