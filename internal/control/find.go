package control

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Choice says which server is meant, if several run.
type Choice struct {
	PID  int    // 0: any
	Bind string // an address that it listens on, as --bind has it; "": any
}

// Find returns the control socket of the one server that is meant. If there is none,
// or there are several, the error lists what runs. dir may be "".
func Find(dir string, c Choice) (string, error) {
	found := alive(dir)
	if c.PID != 0 {
		found = slices.DeleteFunc(found, func(path string) bool { return pidOf(path) != c.PID })
		if len(found) == 0 {
			return "", fmt.Errorf("no girin server of this user has pid %d%s", c.PID, listed(alive(dir), "\nthose that run:"))
		}
	}
	if c.Bind != "" {
		found = slices.DeleteFunc(found, func(path string) bool {
			s, err := Get(context.Background(), path)
			return err != nil || !slices.ContainsFunc(s.Addresses, func(url string) bool { return listensOn(url, c.Bind) })
		})
		if len(found) == 0 {
			return "", fmt.Errorf("no girin server of this user listens on %s%s", c.Bind, listed(alive(dir), "\nthose that run:"))
		}
	}
	switch len(found) {
	case 0:
		return "", fmt.Errorf("no girin server of this user runs (none has a socket in %s, nor one without a path)", dir)
	case 1:
		return found[0], nil
	}
	return "", fmt.Errorf("several servers run; choose one with --pid or --bind%s", listed(found, ":"))
}

// alive lists the control sockets on which a server of this user listens.
func alive(dir string) (paths []string) {
	for _, path := range append(sockets(dir), abstract(dir)...) {
		if answers(path) {
			paths = append(paths, path)
		}
	}
	return paths
}

func pidOf(path string) int {
	pid, _ := strconv.Atoi(strings.TrimSuffix(filepath.Base(path), ".sock"))
	return pid
}

const (
	listedMost  = 20          // servers that an error names
	listingTime = time.Second // to ask them all
)

// listed describes servers, each in a line after title; "" if there are none.
func listed(paths []string, title string) string {
	if len(paths) == 0 {
		return ""
	}
	ctx, cancel := context.WithTimeout(context.Background(), listingTime)
	defer cancel()
	lines := []string{title}
	for i, path := range paths {
		if i == listedMost {
			lines = append(lines, fmt.Sprintf("  and %d more", len(paths)-i))
			break
		}
		line := fmt.Sprintf("  pid %d", pidOf(path))
		if s, err := Get(ctx, path); err == nil {
			line += fmt.Sprintf("  %q  %s", s.App, strings.Join(s.Addresses, " "))
		} else {
			line += "  (it does not answer)"
		}
		lines = append(lines, line)
	}
	return strings.Join(lines, "\n")
}

// listensOn reports whether a server's URL is the address that bind means: "HOST:PORT",
// ":PORT", "unix:PATH", or the URL itself.
func listensOn(url, bind string) bool {
	address, wanted := withoutScheme(url), withoutScheme(strings.TrimSuffix(bind, "/"))
	if strings.HasPrefix(wanted, ":") {
		return strings.HasSuffix(address, wanted)
	}
	return address == wanted || address == strings.Replace(wanted, "localhost:", "127.0.0.1:", 1)
}

func withoutScheme(url string) string {
	for _, scheme := range []string{"http://", "https://", "unix:"} {
		if rest, ok := strings.CutPrefix(url, scheme); ok {
			return rest
		}
	}
	return url
}
