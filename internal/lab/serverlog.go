package lab

import (
	"fmt"
	"io"
	"os"

	"girin/internal/lab/result"
)

// keptOfLog is how much of a log's beginning and of its end is kept.
const keptOfLog = 1 << 20

// shorten leaves out the middle of a long log: a server that has a line for each request, or for each failure of a loop, would
// fill the disk over hundreds of runs. A log that cannot be shortened stays as it is.
func shorten(path string) {
	file, err := os.Open(path)
	if err != nil {
		return
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil || info.Size() <= 3*keptOfLog {
		return
	}
	text := make([]byte, 2*keptOfLog)
	if _, err := io.ReadFull(file, text[:keptOfLog]); err != nil {
		return
	}
	if _, err := file.ReadAt(text[keptOfLog:], info.Size()-keptOfLog); err != nil {
		return
	}
	left := fmt.Sprintf("\n... %d MiB are left out here ...\n", (info.Size()-2*keptOfLog)>>20)
	_ = result.Replace(path, append(append(text[:keptOfLog:keptOfLog], left...), text[keptOfLog:]...))
}
