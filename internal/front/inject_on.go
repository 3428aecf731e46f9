//go:build faults

package front

import "strings"

// Where a request may ask for a panic by its path, for the tests of what a bug
// in the front would do.
const (
	faultInConn   = "/panic/conn"
	faultInAnswer = "/panic/answer"
	faultInWriter = "/panic/writer"
)

func injectFault(where string, x *exchange) {
	if r := x.call.Route; r != nil && strings.HasSuffix(r.Name(), where) {
		panic("injected by a request for " + where)
	}
}
