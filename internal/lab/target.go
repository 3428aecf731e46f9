package lab

import (
	"cmp"
	"fmt"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"girin/internal/lab/plan"
)

// bodyOf is what a request of an endpoint sends.
func bodyOf(e plan.Endpoint) ([]byte, error) {
	if e.SendFile != "" {
		return os.ReadFile(e.SendFile)
	}
	return []byte(e.Send), nil
}

// targetArgs are girin bench's arguments for an endpoint of the server at url. The file that
// they may name begins with base.
func targetArgs(e plan.Endpoint, url, base string) ([]string, error) {
	if e.URLs != "" {
		file := base + ".urls"
		return []string{"--urls", file}, writeURLs(e.URLs, url, file)
	}
	if e.Scenario != "" {
		return []string{"--scenario", e.Scenario, url}, nil
	}
	var args []string
	if method := cmp.Or(e.Method, http.MethodGet); method != http.MethodGet {
		args = append(args, "--method", method)
	}
	for _, name := range slices.Sorted(maps.Keys(e.Headers)) {
		args = append(args, "--header", name+": "+e.Headers[name])
	}
	switch {
	case e.SendFile != "":
		args = append(args, "--body-file", e.SendFile)
	case e.Send != "":
		args = append(args, "--body", e.Send)
	}
	if e.WebSocket {
		url = strings.Replace(url, "http", "ws", 1)
	}
	return append(args, url+e.Path), nil
}

// targetLine takes a line of a file of targets apart: weight and method, server, path.
var targetLine = regexp.MustCompile(`^((?:[0-9]+=)?(?:[A-Z]+ +)?)(?:https?://[^/]*)?(/.*)$`)

// writeURLs copies a file of targets for the server at url. What a body's file is relative to
// stays.
func writeURLs(from, url, to string) error {
	text, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	dir, err := filepath.Abs(filepath.Dir(from))
	if err != nil {
		return err
	}
	var out strings.Builder
	for line := range strings.Lines(string(text)) {
		line = strings.TrimSpace(line)
		if name, isBody := strings.CutPrefix(line, "@"); isBody && !filepath.IsAbs(name) {
			line = "@" + filepath.Join(dir, name)
		} else if m := targetLine.FindStringSubmatch(line); m != nil {
			line = m[1] + url + m[2]
		}
		fmt.Fprintln(&out, line)
	}
	return os.WriteFile(to, []byte(out.String()), 0o666)
}
