// Package program is what every command shares: what it may use of the process
// that it runs in, its version and origin, and the exit statuses. It does nothing itself.
package program

import (
	"errors"
	"io"
	"path/filepath"
	"strings"
	"unicode/utf8"
)

// Exit statuses of a command that did not do what it was asked for, as gunicorn's.
const (
	Failed = 1
	Usage  = 2
	Broken = 70 // a part of the server failed again and again: EX_SOFTWARE of sysexits.h
)

// StatusOf is the exit status for an error: that of code of the user's that has ended the
// program, such as a configuration file with sys.exit(3), else Failed.
func StatusOf(err error) int {
	var ended interface{ ExitStatus() int }
	if errors.As(err, &ended) {
		return ended.ExitStatus()
	}
	return Failed
}

// Env is what a command may use of the process it runs in.
type Env struct {
	Stdin          io.Reader
	Stdout, Stderr io.Writer
	Getenv         func(string) string
	Environ        []string
}

// CacheDir is the folder of what girin can make anew at any time; empty: there is none.
func (e *Env) CacheDir() string {
	dir, _, _ := strings.Cut(e.Getenv("CACHE_DIRECTORY"), ":") // systemd's, for this service alone
	if home := e.Getenv("XDG_CACHE_HOME"); dir == "" && home != "" {
		dir = filepath.Join(home, "girin")
	}
	if home := e.Getenv("HOME"); dir == "" && home != "" {
		dir = filepath.Join(home, ".cache", "girin")
	}
	if !filepath.IsAbs(dir) || !utf8.ValidString(dir) {
		return ""
	}
	return dir
}
