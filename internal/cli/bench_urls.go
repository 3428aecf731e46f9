package cli

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"girin/internal/bench"
)

// headerLine tells a header from a URL: "localhost:8000" has no blank after its colon.
var headerLine = regexp.MustCompile(`^[!#$%&'*+.^_|~0-9A-Za-z-]+:([ \t]|$)`)

// readURLs reads targets from a file or standard input: a line for each, and below it, as in vegeta's format, lines with
// headers and one with the file of its body, relative to this one. Empty lines and those that begin with # are passed over.
func readURLs(o *bench.Options, path string, stdin io.Reader, common bench.Target) error {
	read, dir := func() ([]byte, error) { return os.ReadFile(path) }, filepath.Dir(path)
	if path == "-" {
		read, dir = func() ([]byte, error) { return io.ReadAll(stdin) }, "."
	}
	b, err := read()
	if err != nil {
		return err
	}
	first, n := len(o.Targets), 0
	for l := range strings.Lines(string(b)) {
		n++
		l = strings.TrimSpace(l)
		switch {
		case l == "" || l[0] == '#':
			continue
		case l[0] != '@' && !headerLine.MatchString(l):
			err = addTarget(o, l, common)
		case len(o.Targets) == first:
			err = fmt.Errorf("%q stands below no URL", l)
		default:
			err = addToTarget(&o.Targets[len(o.Targets)-1], l, dir)
		}
		if err != nil {
			return fmt.Errorf("line %d: %w", n, err)
		}
	}
	return nil
}

// addToTarget adds the header of a line, or the body that it names, to the target above it.
func addToTarget(t *bench.Target, line, dir string) (err error) {
	if name, ok := strings.CutPrefix(line, "@"); ok {
		if !filepath.IsAbs(name) {
			name = filepath.Join(dir, name)
		}
		t.Body, err = os.ReadFile(name)
		return err
	}
	field, err := bench.ParseField(line)
	if err != nil {
		return err
	}
	// It takes the place of a header that all targets have; the list is theirs too, and is not written to.
	others := slices.DeleteFunc(slices.Clone(t.Header), func(f bench.Field) bool { return strings.EqualFold(f.Name, field.Name) })
	t.Header = append(others, field)
	return nil
}
