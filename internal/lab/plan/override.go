package plan

import (
	"fmt"
	"regexp"
)

// Override sets a top-level key in a plan's text, so that the copy in the results folder
// says what was really run.
func Override(source []byte, key, value string) []byte {
	line := regexp.MustCompile(`(?m)^` + regexp.QuoteMeta(key) + `:.*$`)
	replacement := fmt.Sprintf("%s: %s", key, value)
	if line.Match(source) {
		return line.ReplaceAllLiteral(source, []byte(replacement))
	}
	if n := len(source); n > 0 && source[n-1] != '\n' {
		source = append(source, '\n')
	}
	return append(source, replacement+"\n"...)
}
