package config

import (
	"errors"
	"fmt"
	"path"
	"regexp"
	"strings"
)

// Sidecar is a command to keep running beside the server.
type Sidecar struct {
	Name string // unique among those parsed together
	Args []string
}

var (
	sidecarNamed = regexp.MustCompile(`^([A-Za-z0-9][A-Za-z0-9_.-]*):\s+(.*)$`) // as in a Procfile
	assignment   = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*=`)
)

// ParseSidecars reads commands. They are split into words as a shell does, and run by
// none.
func ParseSidecars(texts []string) ([]Sidecar, error) {
	var all []Sidecar
	taken := map[string]bool{}
	for _, text := range texts {
		s, err := parseSidecar(text)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", quote(text), err)
		}
		for n, name := 2, s.Name; taken[s.Name]; n++ {
			s.Name = fmt.Sprintf("%s-%d", name, n)
		}
		taken[s.Name] = true
		all = append(all, s)
	}
	return all, nil
}

func parseSidecar(text string) (s Sidecar, err error) {
	if m := sidecarNamed.FindStringSubmatch(text); m != nil {
		s.Name, text = m[1], m[2]
	}
	if s.Args, err = splitShell(text); err != nil {
		return s, err
	}
	if len(s.Args) == 0 || s.Args[0] == "" {
		return s, errors.New("there is no command")
	}
	for _, word := range s.Args {
		switch {
		case strings.ContainsRune(word, 0):
			return s, errors.New("a word holds a NUL")
		case word == "|" || word == "&&" || word == "||" || word == ";" || word == "&" || word == ">" || word == "<":
			return s, fmt.Errorf("no shell runs it, which %s needs: sh -c '...' is one", word)
		}
	}
	if assignment.MatchString(s.Args[0]) {
		return s, fmt.Errorf("%s is no command: raw_env (-e) sets variables for the application and sidecars, `env NAME=VALUE COMMAND` for one", s.Args[0])
	}
	if s.Name == "" {
		s.Name = commandName(s.Args)
	}
	return s, nil
}

// commandName is what people call a command: the program, or what Python runs.
func commandName(args []string) string {
	name := path.Base(args[0])
	if !strings.HasPrefix(name, "python") {
		return name
	}
	for i, word := range args[1:] {
		switch {
		case word == "-m" && i+2 < len(args):
			return args[i+2]
		case !strings.HasPrefix(word, "-"):
			return strings.TrimSuffix(path.Base(word), ".py")
		}
	}
	return name
}

func checkSidecars(v any) error {
	_, err := ParseSidecars(v.([]string))
	return err
}
