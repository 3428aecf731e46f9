package bench

import (
	"fmt"
	"os"
	"path/filepath"
	"time"
)

// waitedTime is for how long the threads of this process together have been ready to run so far, and had no core. 0 where the
// kernel does not tell.
func waitedTime() (sum time.Duration) {
	files, _ := filepath.Glob("/proc/self/task/*/schedstat")
	for _, file := range files {
		text, _ := os.ReadFile(file)
		var ran, waited time.Duration
		if n, _ := fmt.Sscan(string(text), &ran, &waited); n == 2 {
			sum += waited
		}
	}
	return sum
}
