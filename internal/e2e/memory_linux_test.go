package e2e_test

import (
	"fmt"
	"os"
	"strings"
	"testing"
)

// Of its own file, a server that is ready keeps what serving needs, not what its start touched.
func TestAServerKeepsLittleOfItsStart(t *testing.T) {
	const most = 14 << 10 // KiB; the start touches about 20 MiB
	s := start(t, options{})
	s.wait(t, "Using Python") // which is told next
	s.get(t, "/")
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", s.cmd.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(status)) {
		var kib int
		if n, _ := fmt.Sscanf(line, "RssFile: %d kB", &kib); n == 1 {
			if kib > most {
				t.Errorf("%d KiB of its file are in memory, more than %d", kib, most)
			}
			return
		}
	}
	t.Fatal("the kernel does not say what is in memory of a file")
}
