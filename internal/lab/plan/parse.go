package plan

import (
	"cmp"
	"errors"
	"fmt"
	"slices"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"
)

// Parse reads a plan. file names the source in errors, which all carry a line number: every
// mistake of the plan is told, in the order of their lines. cores is what expressions see.
func Parse(file string, source []byte, cores int) (*Plan, error) {
	p, tree, mistakes, err := decode(source)
	if err != nil {
		return nil, located(file, err)
	}
	p.fillIn()
	c := &checker{plan: p, cores: cores}
	c.run()
	undecoded := slices.Clone(mistakes)
	for _, f := range c.faults {
		line := lineOf(tree, f.path)
		// What could not be decoded is missing now: that is no second mistake.
		if !slices.ContainsFunc(undecoded, func(m mistake) bool { return m.explains(f.path) }) {
			mistakes = append(mistakes, mistake{line: line, err: fmt.Errorf("%s: %w", f.path[len("$."):], f.err)})
		}
	}
	if len(mistakes) == 0 {
		return p, nil
	}
	slices.SortStableFunc(mistakes, func(a, b mistake) int { return cmp.Compare(a.line, b.line) })
	errs := make([]error, len(mistakes))
	for i, m := range mistakes {
		errs[i] = fmt.Errorf("%s:%d: %w", file, m.line, m.err)
	}
	return nil, errors.Join(errs...)
}

// A mistake is something in a line. path is what was taken out of the plan because of it.
type mistake struct {
	line int
	err  error
	path string
}

// explains reports whether a fault of a check follows from the mistake: it is about what was
// taken out, or about what that was part of.
func (m mistake) explains(path string) bool {
	return m.path != "" && (path == m.path || path == parent(m.path))
}

// mostMistakes bounds how many are looked for one by one.
const mostMistakes = 50

// decode makes a plan of what of the source can be decoded, and a list of what cannot. The
// library stops at the first mistake, so each is taken out of the tree and the rest decoded
// again. It panics on some malformed input (a tag where a list belongs, found by FuzzParse),
// which is an error here.
func decode(source []byte) (p *Plan, tree *ast.File, mistakes []mistake, err error) {
	defer func() {
		if v := recover(); v != nil {
			err = fmt.Errorf("malformed YAML (%v)", v)
		}
	}()
	if tree, err = parser.ParseBytes(source, 0); err != nil {
		return nil, nil, nil, err
	}
	rest, err := parser.ParseBytes(source, 0) // mistakes are taken out of this one
	if err != nil {
		return nil, nil, nil, err
	}
	for {
		p = &Plan{Repeats: 1, Seed: 1, Fresh: FreshCell}
		if len(rest.Docs) == 0 || rest.Docs[0].Body == nil {
			return p, tree, mistakes, nil
		}
		err = yaml.NodeToValue(rest.Docs[0].Body, p, yaml.Strict())
		if err == nil {
			return p, tree, mistakes, nil
		}
		var at yaml.Error
		if !errors.As(err, &at) || at.GetToken() == nil || len(mistakes) == mostMistakes {
			return nil, nil, nil, err
		}
		where, ok := takeOut(rest.Docs[0].Body, at.GetToken())
		if !ok {
			return nil, nil, nil, err
		}
		mistakes = append(mistakes, mistake{line: at.GetToken().Position.Line, err: errors.New(at.GetMessage()), path: where})
	}
}

// takeOut removes the entry of a mapping, or the item of a list, that a token stands in, and
// returns its path.
func takeOut(node ast.Node, at *token.Token) (path string, ok bool) {
	switch n := node.(type) {
	case *ast.MappingNode:
		for i, v := range n.Values {
			if begins(v.Key, at) || begins(v.Value, at) && !isCollection(v.Value) {
				n.Values = slices.Delete(n.Values, i, i+1)
				return v.Value.GetPath(), true
			}
			if path, ok := takeOut(v.Value, at); ok {
				return path, true
			}
			if begins(v.Value, at) {
				n.Values = slices.Delete(n.Values, i, i+1)
				return v.Value.GetPath(), true
			}
		}
	case *ast.SequenceNode:
		for i, v := range n.Values {
			if path, ok := takeOut(v, at); ok {
				return path, true
			}
			if begins(v, at) {
				n.Values = slices.Delete(n.Values, i, i+1)
				return v.GetPath(), true
			}
		}
	}
	return "", false
}

// begins reports whether a token is a node's first.
func begins(node ast.Node, at *token.Token) bool {
	t := node.GetToken()
	return t != nil && t.Position.Offset == at.Position.Offset
}

func isCollection(node ast.Node) bool {
	switch node.(type) {
	case *ast.MappingNode, *ast.SequenceNode:
		return true
	}
	return false
}

// located puts the library's error into the form file:line: message.
func located(file string, err error) error {
	var at yaml.Error
	if errors.As(err, &at) && at.GetToken() != nil {
		return fmt.Errorf("%s:%d: %s", file, at.GetToken().Position.Line, at.GetMessage())
	}
	return fmt.Errorf("%s: %w", file, err)
}

// lineOf is the line of the value at path, or of the nearest thing above it that the
// file has: a missing key is reported where its mapping begins.
func lineOf(tree *ast.File, path string) int {
	for path != "" {
		if at, err := yaml.PathString(path); err == nil {
			if node, err := at.FilterFile(tree); err == nil && node.GetToken() != nil {
				return node.GetToken().Position.Line
			}
		}
		path = parent(path)
	}
	return 1
}

// parent cuts the last .key or [index] off a path; the root has none.
func parent(path string) string {
	for i := len(path) - 1; i > 0; i-- {
		if path[i] == '.' || path[i] == '[' {
			return path[:i]
		}
	}
	return ""
}

// UnmarshalYAML accepts a bare name beside the full mapping.
func (s *Subject) UnmarshalYAML(node ast.Node) error {
	if name, ok := node.(*ast.StringNode); ok {
		s.Name = name.Value
		return nil
	}
	type plain Subject // without this method
	return yaml.NodeToValue(node, (*plain)(s), yaml.Strict())
}
