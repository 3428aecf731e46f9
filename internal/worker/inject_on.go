//go:build faults

package worker

import "bytes"

// injectFault lets a response field ask for a panic of the goroutine that reads
// the worker, for the tests of what a bug there would do.
func injectFault(head []byte) {
	if bytes.Contains(head, []byte("X-Panic")) {
		panic("injected by a response")
	}
}
