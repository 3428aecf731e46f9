//go:build !windows

package cli

import (
	"strings"
	"testing"
	"time"

	"girin/internal/jobs"
)

// What a doctor says, and why a job has ended, are sentences: they are shown to their end.
func TestSentencesAreNotCut(t *testing.T) {
	long := strings.Repeat("x", 2*shownName) + "\x1b end"
	for _, text := range []string{
		formatFindings([]jobs.Finding{{Level: jobs.FoundBad, What: long}}), formatFindings([]jobs.Finding{{What: "short", Do: long}}),
		formatChange(jobs.Status{Reason: long}, time.Now()), formatWords([]jobs.Status{{Log: long}}),
	} {
		if !strings.Contains(text, "x? end") {
			t.Errorf("%q", text)
		}
	}
}
