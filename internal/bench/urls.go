package bench

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// headerLine tells a header from a URL: "localhost:8000" has no blank after its colon.
var headerLine = regexp.MustCompile(`^[!#$%&'*+.^_|~0-9A-Za-z-]+:([ \t]|$)`)

// ReadTargets reads targets: a line for each, in ParseTarget's form, and below it, as in vegeta's format, lines with headers and
// one with the file of its body, relative to dir. Empty lines and those that begin with # are passed over. common has what a line
// does not say; socket is that of the last URL of a Unix socket.
func ReadTargets(r io.Reader, dir string, common Target) (list []Target, socket string, err error) {
	b, err := io.ReadAll(r)
	if err != nil {
		return nil, "", err
	}
	n := 0
	for l := range strings.Lines(string(b)) {
		n++
		l = strings.TrimSpace(l)
		switch {
		case l == "" || l[0] == '#':
			continue
		case l[0] != '@' && !headerLine.MatchString(l):
			var t Target
			var s string
			if t, s, err = ParseTarget(l, common); s != "" {
				socket = s
			}
			list = append(list, t)
		case len(list) == 0:
			err = fmt.Errorf("%q stands below no URL", l)
		default:
			err = addToTarget(&list[len(list)-1], l, dir)
		}
		if err != nil {
			return nil, "", fmt.Errorf("line %d: %w", n, err)
		}
	}
	return list, socket, nil
}

// addToTarget adds the header of a line, or the body that it names, to the target above it.
func addToTarget(t *Target, line, dir string) (err error) {
	if name, ok := strings.CutPrefix(line, "@"); ok {
		if !filepath.IsAbs(name) {
			name = filepath.Join(dir, name)
		}
		t.Body, err = os.ReadFile(name)
		return err
	}
	field, err := ParseField(line)
	if err != nil {
		return err
	}
	// It takes the place of a header that all targets have; the list is theirs too, and is not written to.
	others := slices.DeleteFunc(slices.Clone(t.Header), func(f Field) bool { return strings.EqualFold(f.Name, field.Name) })
	t.Header = append(others, field)
	return nil
}
