package cli

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"girin/internal/bench"
)

// applyTargets makes the targets of the arguments and of --urls.
func (f *benchFlags) applyTargets(o *bench.Options, args []string, stdin io.Reader) error {
	var common bench.Target
	var err error
	if common.Body, err = f.readBody(stdin); err != nil {
		return err
	}
	if common.Header, err = f.fields(); err != nil {
		return err
	}
	if _, err := strconv.Atoi(f.method); err == nil {
		return fmt.Errorf("--method: %s is no method; what h2load has -m for is --http2 --streams N", f.method)
	}
	common.Method = f.method
	if common.Checks, err = f.load.checks(); err != nil {
		return err
	}
	for _, l := range args {
		if err := addTarget(o, l, common); err != nil {
			return err
		}
	}
	if f.urlsFile == "" {
		return nil
	}
	if f.urlsFile == "-" && f.bodyFile == "-" {
		return errors.New("--urls and --body-file cannot both be standard input")
	}
	if err := readURLs(o, f.urlsFile, stdin, common); err != nil {
		return fmt.Errorf("--urls: %w", err)
	}
	return nil
}

// readURLs adds the targets of a file, or of standard input.
func readURLs(o *bench.Options, path string, stdin io.Reader, common bench.Target) error {
	dir := "."
	if path != "-" {
		file, err := os.Open(path)
		if err != nil {
			return err
		}
		defer file.Close()
		stdin, dir = file, filepath.Dir(path)
	}
	list, socket, err := bench.ReadTargets(stdin, dir, common)
	if socket != "" {
		o.UnixSocket = socket
	}
	o.Targets = append(o.Targets, list...)
	return err
}

// addTarget adds the target of a line.
func addTarget(o *bench.Options, line string, common bench.Target) error {
	if _, err := strconv.Atoi(line); err == nil {
		return fmt.Errorf("%q is not a URL, and the flag before it takes no value; what hey and oha have -q and bombardier has -r for is --rate, what oha has -r for is --follow", line)
	}
	t, socket, err := bench.ParseTarget(line, common)
	if err != nil {
		return err
	}
	if socket != "" {
		o.UnixSocket = socket
	}
	o.Targets = append(o.Targets, t)
	return nil
}

// fields are the header fields of all requests.
func (f *benchFlags) fields() (list []bench.Field, err error) {
	lines := slices.Clone(f.headers)
	if f.contentType != "" {
		lines = append(lines, "Content-Type: "+f.contentType)
	}
	if len(f.cookies) > 0 {
		lines = append(lines, "Cookie: "+strings.Join(f.cookies, "; "))
	}
	for _, line := range lines {
		field, err := bench.ParseField(line)
		if err != nil {
			return nil, fmt.Errorf("--header: %w", err)
		}
		list = append(list, field)
	}
	if f.user != "" {
		if !strings.Contains(f.user, ":") {
			return nil, fmt.Errorf("--user: %q is not USER:PASSWORD; what ab has -u FILE for is --method PUT --body-file FILE, what hey has -A for is --header 'Accept: ...'", f.user)
		}
		list = append(list, bench.BasicAuth(f.user))
	}
	return list, nil
}

func (f *benchFlags) readBody(stdin io.Reader) ([]byte, error) {
	switch {
	case f.body != "" && f.bodyFile != "":
		return nil, errors.New("--body and --body-file exclude each other")
	case f.bodyFile == "-":
		return io.ReadAll(stdin)
	case f.bodyFile != "":
		b, err := os.ReadFile(f.bodyFile)
		if err != nil {
			if _, number := strconv.Atoi(f.bodyFile); number == nil {
				err = fmt.Errorf("%w; what oha has -p for is --http2 --streams N", err)
			}
			return nil, fmt.Errorf("--body-file: %w", err)
		}
		return b, nil
	}
	return []byte(f.body), f.namesFile()
}

// namesFile refuses a text that is the name of a file, which other tools' flags of this name would read.
func (f *benchFlags) namesFile() error {
	name, marked := strings.CutPrefix(f.body, "@") // as curl has it
	if !marked && !fileEnding.MatchString(name) {
		return nil
	}
	if stat, err := os.Stat(name); err == nil && stat.Mode().IsRegular() {
		return fmt.Errorf("--body is a text, and %s is a file: did you mean --body-file %s?", name, name)
	}
	return nil
}
