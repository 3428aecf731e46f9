//go:build !faults

package worker

// injectFault does nothing without the build tag faults.
func injectFault([]byte) {}
