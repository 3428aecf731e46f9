package lab

import (
	"os/user"
	"runtime"
	"syscall"

	"girin/internal/lab/result"
)

// loadNice is the load generators' nice value: they run before the servers, as if they had a
// machine of their own, since on saturated cores their own lag would look like theirs.
const loadNice = -10

// goFirst gives it to a group of processes. It needs rights (CAP_SYS_NICE); tryPriority has
// recorded whether they are there, and where the lag matters girin bench says so.
func goFirst(group int) { _ = syscall.Setpriority(syscall.PRIO_PGRP, group, loadNice) }

// tryPriority records what goFirst will do, by doing it to one thread for a moment.
func tryPriority(m *result.Machine) {
	failed := make(chan error)
	go func() {
		runtime.LockOSThread() // and never unlocked: the thread ends with its priority
		failed <- syscall.Setpriority(syscall.PRIO_PROCESS, 0, loadNice)
	}()
	if err := <-failed; err != nil {
		m.LoadNice, m.LoadNiceFailed = m.Nice, err.Error()
		return
	}
	m.LoadNice = loadNice
}

// niceOf is the nice value of a process; the system call returns 20 less it, so as not to
// be negative.
func niceOf(pid int) int {
	priority, err := syscall.Getpriority(syscall.PRIO_PROCESS, pid)
	if err != nil {
		return 0
	}
	return 20 - priority
}

func userName() string {
	if u, err := user.Current(); err == nil {
		return u.Username
	}
	return ""
}
