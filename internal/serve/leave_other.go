//go:build !linux

package serve

func leaveStart() {}
