// Package pattern names requests in options, as routes are named: "POST /pdf/*",
// or without a method "/pdf/*". A star stands for any characters, and alone for
// every request.
package pattern

import (
	"bytes"
	"fmt"
	"strings"
)

// Set is patterns of which one must match.
type Set []one

type one struct {
	method string // "": any
	pieces []string
}

// Parse reads patterns.
func Parse(texts []string) (all Set, err error) {
	for _, text := range texts {
		var p one
		path := strings.TrimSpace(text)
		if method, rest, ok := strings.Cut(path, " "); ok {
			p.method, path = strings.ToUpper(method), strings.TrimSpace(rest)
		}
		if path == "" || path[0] != '/' && path[0] != '*' || strings.Contains(path, " ") {
			return nil, fmt.Errorf("%q names no requests: it should look like /upload/*, POST /upload/* or *", text)
		}
		p.pieces = strings.Split(path, "*")
		all = append(all, p)
	}
	return all, nil
}

// Match reports whether a request is one of those that are named. The path is
// as its client sent it, without the query.
func (all Set) Match(method, path []byte) bool {
	for i := range all {
		if all[i].match(method, path) {
			return true
		}
	}
	return false
}

func (p *one) match(method, path []byte) bool {
	if p.method != "" && p.method != string(method) {
		return false
	}
	last := len(p.pieces) - 1
	rest, ok := bytes.CutPrefix(path, []byte(p.pieces[0]))
	if !ok || last == 0 {
		return ok && len(rest) == 0
	}
	for _, piece := range p.pieces[1:last] {
		i := bytes.Index(rest, []byte(piece))
		if i < 0 {
			return false
		}
		rest = rest[i+len(piece):]
	}
	return bytes.HasSuffix(rest, []byte(p.pieces[last]))
}
