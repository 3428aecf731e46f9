package front

import (
	"flag"
	"os"
	"testing"
)

// TestMain lets all tests that watch deadlines run at once: they wait, and need
// no core each.
func TestMain(m *testing.M) {
	flag.Parse()
	if err := flag.Set("test.parallel", "64"); err != nil {
		panic(err)
	}
	os.Exit(m.Run())
}
