package proc

import "syscall"

// onFirstThread reports whether the caller runs on the program's first thread.
func onFirstThread() bool { return syscall.Gettid() == syscall.Getpid() }

// attributes put the child in a group of its own (a terminal's Ctrl-C is for the
// master) unless it is for the terminal's user, and end it when the master dies,
// however it dies, unless it sees to that itself. Not in a session of its own: each would be a scheduling group.
func attributes(user *syscall.Credential, foreground, outlives bool) *syscall.SysProcAttr {
	a := &syscall.SysProcAttr{Setpgid: !foreground, Credential: user}
	if !outlives {
		a.Pdeathsig = syscall.SIGKILL
	}
	return a
}
