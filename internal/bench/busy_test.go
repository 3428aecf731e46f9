package bench

import "testing"

// undisturbed fails unless check finds nothing wrong in one of five attempts. It is for what a busy machine can only
// disturb, never bring about.
func undisturbed(t *testing.T, check func() error) {
	t.Helper()
	var err error
	for range 5 {
		if err = check(); err == nil {
			return
		}
	}
	t.Error(err)
}
