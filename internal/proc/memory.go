package proc

import (
	"fmt"
	"os"
	"strconv"
	"strings"
)

// Memory is what the process has to itself, in bytes; 0 if it has ended, or where
// there is no proc(5).
func (p *Process) Memory() int64 {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", p.PID()))
	if err != nil {
		return 0
	}
	fields := strings.Fields(string(b))
	if len(fields) < 3 {
		return 0
	}
	resident, _ := strconv.ParseInt(fields[1], 10, 64)
	shared, _ := strconv.ParseInt(fields[2], 10, 64)
	return (resident - shared) * int64(os.Getpagesize())
}
