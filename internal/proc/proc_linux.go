package proc

import "syscall"

// attributes put the child in a group of its own (a terminal's Ctrl-C is for
// the master) and end it when the master dies, however it dies.
func attributes(user *syscall.Credential) *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL, Credential: user}
}
