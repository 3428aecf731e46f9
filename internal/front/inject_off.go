//go:build !faults

package front

// Without the build tag faults there are none.
const (
	faultInConn = iota
	faultInAnswer
	faultInWriter
)

func injectFault(int, *exchange) {}
