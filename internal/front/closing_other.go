//go:build !linux

package front

// dropSYNs does nothing: only Linux filters what a listener gets.
func dropSYNs(int) {}

// shakesHands is not known.
func shakesHands(socket) bool { return false }
