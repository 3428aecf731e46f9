//go:build !linux

package proc

import "syscall"

// onFirstThread matters only where there is a parent-death signal.
func onFirstThread() bool { return false }

// attributes put the child in a group of its own. Without a parent-death
// signal the worker ends when its control socket does.
func attributes(user *syscall.Credential, foreground, _ bool) *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: !foreground, Credential: user}
}
