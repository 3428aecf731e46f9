package plan

import (
	"errors"
	"fmt"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
)

// Parse reads a plan. file names the source in errors, which all carry a line number.
// cores is what expressions see.
func Parse(file string, source []byte, cores int) (*Plan, error) {
	p := &Plan{Repeats: 1, Seed: 1, Fresh: FreshCell}
	tree, err := decode(source, p)
	if err != nil {
		return nil, located(file, err)
	}
	p.fillIn()
	c := &checker{plan: p, cores: cores}
	c.run()
	if len(c.faults) == 0 {
		return p, nil
	}
	errs := make([]error, len(c.faults))
	for i, f := range c.faults {
		errs[i] = fmt.Errorf("%s:%d: %s: %w", file, lineOf(tree, f.path), f.path[len("$."):], f.err)
	}
	return nil, errors.Join(errs...)
}

// decode fills p and returns the syntax tree. The library panics on some malformed input
// (a tag where a list belongs, found by FuzzParse), which is an error here.
func decode(source []byte, p *Plan) (tree *ast.File, err error) {
	defer func() {
		if v := recover(); v != nil {
			err = fmt.Errorf("malformed YAML (%v)", v)
		}
	}()
	if tree, err = parser.ParseBytes(source, 0); err != nil {
		return nil, err
	}
	return tree, yaml.UnmarshalWithOptions(source, p, yaml.Strict())
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
