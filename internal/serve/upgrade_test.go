package serve

import (
	"slices"
	"testing"
)

// Of the service manager's watchdog the variable that names the process is no other's: with
// it the server that USR2 has started would send no sign of life once it is the main process.
func TestTheServerOfUSR2TakesTheWatchdogForItsOwn(t *testing.T) {
	got := withoutUpgrade([]string{"A=1", "WATCHDOG_PID=42", "WATCHDOG_USEC=20000000", "NOTIFY_SOCKET=/n", upgradeVariable + "={}"})
	if want := []string{"A=1", "WATCHDOG_USEC=20000000", "NOTIFY_SOCKET=/n"}; !slices.Equal(got, want) {
		t.Errorf("%q, not %q", got, want)
	}
}
