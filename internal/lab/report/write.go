package report

import (
	"girin/internal/lab/result"
)

// Write writes report.html and the charts into the folder and returns the summary, a line
// each.
func Write(f *result.Folder) ([]string, error) {
	all := panels(f)
	return summary(f, all), nil
}
