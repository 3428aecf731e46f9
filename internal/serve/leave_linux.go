package serve

import (
	"fmt"
	"os"
	"runtime/debug"
	"strings"
	"syscall"
)

// leaveStart gives back the memory that only the start has needed: garbage, and the pages of the
// program's own file that it has touched, most of the 20 MiB that a server which is ready would
// otherwise keep. What serving needs of them comes back from the page cache when it is next touched.
func leaveStart() {
	debug.FreeOSMemory()
	program, err := os.Executable()
	if err != nil {
		return
	}
	maps, err := os.ReadFile("/proc/self/maps")
	if err != nil {
		return
	}
	for line := range strings.Lines(string(maps)) {
		var begin, end uintptr
		var rights string
		if _, err := fmt.Sscanf(line, "%x-%x %s", &begin, &end, &rights); err != nil {
			continue
		}
		if strings.HasSuffix(line, " "+program+"\n") && !strings.Contains(rights, "w") {
			_, _, _ = syscall.Syscall(syscall.SYS_MADVISE, begin, end-begin, syscall.MADV_DONTNEED)
		}
	}
}
