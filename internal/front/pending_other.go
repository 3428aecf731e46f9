//go:build !linux

package front

const unixFIONREAD = 0x4004667f // of the BSDs
