// Package examples holds the example applications, so that the built-in plans of
// `girin lab` run wherever the program is.
package examples

import "embed"

// Apps are the applications that are one file each.
//
//go:embed *.py
var Apps embed.FS
