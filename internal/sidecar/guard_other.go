//go:build !linux

package sidecar

import "syscall"

// adopt is not possible here: what leaves the command's group is not found.
func adopt() error { return nil }

func attributes() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }

// killFamily kills the command's group.
func killFamily(command int) { _ = syscall.Kill(-command, syscall.SIGKILL) }
