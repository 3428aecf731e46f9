//go:build !faults

package front

// Without the build tag faults there are none.
const (
	faultInConn = iota
	faultInReader
	faultInWriter
)

func injectFault(int, *exchange) {}
