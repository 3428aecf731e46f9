package plan

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/goccy/go-yaml/ast"
)

// An Expr is a whole number or arithmetic over the name cores: 2*cores+1.
// The empty Expr means that the plan says nothing.
type Expr string

// Exprs is one Expr or a list of them.
type Exprs []Expr

// maxExpr bounds every intermediate value: no setting is as large, and the product of
// two such values does not overflow.
const maxExpr = 1 << 20

// UnmarshalYAML keeps the text; Eval judges it.
func (e *Expr) UnmarshalYAML(node ast.Node) error {
	*e = Expr(unquote(node))
	return nil
}

// UnmarshalYAML takes a single value as a list of one.
func (es *Exprs) UnmarshalYAML(node ast.Node) error {
	list, ok := node.(*ast.SequenceNode)
	if !ok {
		*es = Exprs{Expr(unquote(node))}
		return nil
	}
	for _, value := range list.Values {
		*es = append(*es, Expr(unquote(value)))
	}
	return nil
}

// Eval computes e for a machine with so many cores. The empty Expr is 0.
func (e Expr) Eval(cores int) (int, error) {
	if e == "" {
		return 0, nil
	}
	if n, err := strconv.Atoi(string(e)); err == nil {
		return inRange(e, n)
	}
	p := exprParser{text: strings.ReplaceAll(string(e), " ", ""), cores: cores}
	n, err := p.sum()
	if err == nil && p.pos < len(p.text) {
		err = fmt.Errorf("unexpected %q", p.text[p.pos:])
	}
	if err != nil {
		return 0, fmt.Errorf("%q is neither a number nor an expression over cores: %w", string(e), err)
	}
	return inRange(e, n)
}

func inRange(e Expr, n int) (int, error) {
	if n < 1 || n > maxExpr {
		return 0, fmt.Errorf("%q is %d, outside of 1 to %d", string(e), n, maxExpr)
	}
	return n, nil
}

// exprParser is recursive descent over
//
//	sum     = product { ("+" | "-") product }
//	product = value { ("*" | "/") value }
//	value   = digits | "cores" | "(" sum ")"
type exprParser struct {
	text  string
	pos   int
	depth int
	cores int
}

func (p *exprParser) next(set string) byte {
	if p.pos < len(p.text) && strings.IndexByte(set, p.text[p.pos]) >= 0 {
		p.pos++
		return p.text[p.pos-1]
	}
	return 0
}

func (p *exprParser) sum() (int, error)     { return p.chain("+-", p.product) }
func (p *exprParser) product() (int, error) { return p.chain("*/", p.value) }

func (p *exprParser) chain(ops string, operand func() (int, error)) (int, error) {
	left, err := operand()
	for err == nil {
		op := p.next(ops)
		if op == 0 {
			return left, nil
		}
		var right int
		if right, err = operand(); err == nil {
			left, err = apply(op, left, right)
		}
	}
	return 0, err
}

func apply(op byte, a, b int) (int, error) {
	switch op {
	case '+':
		a += b
	case '-':
		a -= b
	case '*':
		a *= b
	case '/':
		if b == 0 {
			return 0, fmt.Errorf("division by zero")
		}
		a /= b
	}
	if a > maxExpr || a < -maxExpr {
		return 0, fmt.Errorf("a value over %d", maxExpr)
	}
	return a, nil
}

func (p *exprParser) value() (int, error) {
	rest := p.text[p.pos:]
	switch {
	case strings.HasPrefix(rest, "cores"):
		p.pos += len("cores")
		return p.cores, nil
	case strings.HasPrefix(rest, "("):
		return p.parenthesis()
	}
	digits := rest[:len(rest)-len(strings.TrimLeft(rest, "0123456789"))]
	p.pos += len(digits)
	n, err := strconv.Atoi(digits)
	if err != nil || n > maxExpr {
		return 0, fmt.Errorf("expected a number or cores at %q", rest)
	}
	return n, nil
}

func (p *exprParser) parenthesis() (int, error) {
	if p.depth++; p.depth > 16 {
		return 0, fmt.Errorf("more than 16 nested parentheses")
	}
	p.pos++
	n, err := p.sum()
	if err == nil && p.next(")") == 0 {
		err = fmt.Errorf("missing )")
	}
	p.depth--
	return n, err
}
