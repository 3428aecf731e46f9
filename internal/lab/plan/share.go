package plan

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
)

// A Share is a fraction that is written as a percentage: 10%.
type Share float64

// ParseShare reads 10% or 0.1.
func ParseShare(text string) (Share, error) {
	number, isPercent := strings.CutSuffix(strings.TrimSpace(text), "%")
	v, err := strconv.ParseFloat(strings.TrimSpace(number), 64)
	if isPercent {
		v /= 100
	}
	if err != nil || !(v > 0 && v <= 10) {
		return 0, fmt.Errorf("%q is not a share such as 10%%", text)
	}
	return Share(v), nil
}

// UnmarshalYAML reports a bad value with its line.
func (s *Share) UnmarshalYAML(node ast.Node) error {
	parsed, err := ParseShare(unquote(node))
	if err != nil {
		return &yaml.SyntaxError{Message: err.Error(), Token: node.GetToken()}
	}
	*s = parsed
	return nil
}

func (s Share) String() string { return strconv.FormatFloat(100*float64(s), 'g', 3, 64) + "%" }
