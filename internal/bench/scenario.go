package bench

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/goccy/go-yaml"
)

// scenarioFile is a scenario as it is written: what one visitor does, step after step, and then from the beginning.
type scenarioFile struct {
	Base    string            `yaml:"base"` // of URLs that begin with /
	Headers map[string]string `yaml:"headers"`
	Steps   []scenarioStep    `yaml:"steps"`
}

type scenarioStep struct {
	URL      string                     `yaml:"url"`
	Method   string                     `yaml:"method"`
	Headers  map[string]string          `yaml:"headers"`
	Body     string                     `yaml:"body"`
	BodyFile string                     `yaml:"body_file"` // relative to the scenario's file
	Expect   string                     `yaml:"expect"`    // statuses
	Check    scenarioCheck              `yaml:"check"`
	Capture  map[string]scenarioCapture `yaml:"capture"`
}

type scenarioCheck struct {
	Headers map[string]string `yaml:"headers"` // must contain
	Body    string            `yaml:"body"`    // must contain
	Match   string            `yaml:"match"`   // the body must match this regular expression
}

type scenarioCapture struct {
	JSON   string `yaml:"json"`
	Header string `yaml:"header"`
	Cookie string `yaml:"cookie"`
	Regexp string `yaml:"regexp"`
}

// ReadScenario reads a file of steps. base, if not empty, goes before its own.
func ReadScenario(path, base string) ([]Target, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var f scenarioFile
	if err := yaml.UnmarshalWithOptions(text, &f, yaml.Strict()); err != nil {
		return nil, fmt.Errorf("%s: %s", path, strings.TrimSpace(yaml.FormatError(err, false, true)))
	}
	if base != "" {
		f.Base = base
	}
	if len(f.Steps) == 0 {
		return nil, fmt.Errorf("%s: no steps", path)
	}
	var targets []Target
	for i, s := range f.Steps {
		t, err := s.target(f, filepath.Dir(path))
		if err != nil {
			return nil, fmt.Errorf("%s: step %d: %w", path, i+1, err)
		}
		targets = append(targets, t)
	}
	return targets, nil
}

func (s scenarioStep) target(f scenarioFile, dir string) (t Target, err error) {
	if s.URL == "" {
		return t, errors.New("it has no url")
	}
	if strings.HasPrefix(s.URL, "{{") {
		s.URL = "/" + s.URL // where an earlier step's response leads to
	}
	t = Target{Method: s.Method, URL: s.URL, Body: []byte(s.Body)}
	if strings.HasPrefix(s.URL, "/") {
		if f.Base == "" {
			return t, fmt.Errorf("%s has no server: write base: http://HOST:PORT, or give it on the command line", s.URL)
		}
		t.URL = strings.TrimRight(f.Base, "/") + s.URL
	}
	if s.BodyFile != "" {
		if s.Body != "" {
			return t, errors.New("body and body_file exclude each other")
		}
		if !filepath.IsAbs(s.BodyFile) {
			s.BodyFile = filepath.Join(dir, s.BodyFile)
		}
		if t.Body, err = os.ReadFile(s.BodyFile); err != nil {
			return t, err
		}
	}
	headers := maps.Clone(f.Headers)
	if headers == nil {
		headers = map[string]string{}
	}
	maps.Copy(headers, s.Headers)
	for _, name := range slices.Sorted(maps.Keys(headers)) {
		field, err := ParseField(name + ": " + headers[name])
		if err != nil {
			return t, err
		}
		t.Header = append(t.Header, field)
	}
	if s.Expect != "" {
		if t.Expect, err = ParseStatusSet(s.Expect); err != nil {
			return t, fmt.Errorf("expect: %w", err)
		}
	}
	if t.Checks, err = s.Check.checks(); err != nil {
		return t, err
	}
	t.Captures, err = capturesOf(s.Capture)
	return t, err
}

func (c scenarioCheck) checks() (all []Check, err error) {
	for _, name := range slices.Sorted(maps.Keys(c.Headers)) {
		all = append(all, Check{Header: name, Value: c.Headers[name]})
	}
	if c.Body != "" {
		all = append(all, Check{Value: c.Body})
	}
	if c.Match != "" {
		match, err := regexp.Compile(c.Match)
		if err != nil {
			return nil, fmt.Errorf("check: %w", err)
		}
		all = append(all, Check{Match: match})
	}
	return all, nil
}

var captureName = regexp.MustCompile(`^[a-z_][a-z0-9_]*$`)

func capturesOf(captures map[string]scenarioCapture) (all []Capture, err error) {
	for _, name := range slices.Sorted(maps.Keys(captures)) {
		c, ways := captures[name], 0
		for _, way := range []string{c.JSON, c.Header, c.Cookie, c.Regexp} {
			if way != "" {
				ways++
			}
		}
		if ways != 1 || !captureName.MatchString(name) {
			return nil, fmt.Errorf("capture %s: a name of small letters takes one of json, header, cookie, regexp", name)
		}
		out := Capture{Name: name, JSON: c.JSON, Header: c.Header, Cookie: c.Cookie}
		if c.Regexp != "" {
			if out.Regexp, err = regexp.Compile(c.Regexp); err != nil {
				return nil, fmt.Errorf("capture %s: %w", name, err)
			}
		}
		all = append(all, out)
	}
	return all, nil
}
