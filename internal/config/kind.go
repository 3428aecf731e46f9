package config

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/netip"
	"strconv"
	"strings"
	"time"
)

// Kind is the type of a setting: how a value is read, and which Go type holds it.
type Kind int

const (
	String  Kind = iota // string, or nil for None
	Int                 // int64, zero or more
	Mode                // int64; a leading 0 means octal, as in file modes
	Size                // int64 bytes; K, M and G are powers of 1024
	Seconds             // time.Duration, zero or more; decimals are allowed
	Bool                // bool; as a flag it takes no value and means true
	Off                 // bool; as a flag it takes no value and means false
	Choice              // string, one of Choices, in any case
	List                // []string; as a flag it may be repeated
	Commas              // []string, separated by commas
	Addrs               // []string, separated by commas: IP addresses, networks or *
	Dict                // map[string]string
	Class               // string: a name, or a Python class's dotted name
	Opaque              // any: only whether it is set is of interest
	Hook                // string: name of a Python function; configuration file only
	Account             // string: name or number of a user or group
)

var kindNames = [...]string{
	"text", "whole number", "file mode", "size", "seconds", "switch", "switch", "choice", "list",
	"comma-separated list", "comma-separated addresses", "dictionary", "class", "value", "function", "name or number",
}

func (k Kind) String() string { return kindNames[k] }

// TakesValue reports whether a flag of this kind is followed by a value.
func (k Kind) TakesValue() bool { return k != Bool && k != Off }

// object is what a configuration file holds when it is neither number nor text nor a collection
// of these: a function, a class, or something that only Python understands.
type object struct{ sort, name string }

func (o object) String() string { return o.name }

// parse checks a raw value and returns it in the kind's own type. Raw values are strings (from
// flags and the environment; several for a List) and what encoding/json makes of a
// configuration file, with numbers as json.Number.
func (o *Option) parse(raw any) (any, error) {
	if raw == nil {
		return o.Default, nil
	}
	v, err := o.parseKind(raw)
	if err != nil {
		return nil, err
	}
	if o.check != nil {
		if err := o.check(v); err != nil {
			return nil, err
		}
	}
	return v, nil
}

func (o *Option) parseKind(raw any) (any, error) {
	switch o.Kind {
	case Int, Size:
		return o.parseNumber(raw)
	case Mode:
		return parseMode(raw)
	case Seconds:
		return parseSeconds(raw)
	case Bool, Off:
		return parseBool(raw)
	case Choice:
		return o.parseChoice(raw)
	case List:
		if none, ok := o.Default.([]string); ok && len(none) == 0 && isFalse(raw) {
			return none, nil
		}
		return parseList(raw)
	case Commas:
		return parseCommas(raw)
	case Addrs:
		return parseAddrs(raw)
	case Dict:
		return parseDict(raw)
	case Class:
		if obj, ok := raw.(object); ok && obj.sort != "other" {
			return obj.name, nil
		}
	case Hook:
		if obj, ok := raw.(object); ok && obj.sort == "wrong" {
			return nil, errors.New(obj.name)
		} else if ok && obj.sort == "callable" {
			return obj.name, nil
		}
		return nil, fmt.Errorf("%s is not a function", quote(raw))
	case Account:
		return parseAccount(raw)
	case Opaque:
		return raw, nil
	}
	return parseString(raw)
}

func parseString(raw any) (any, error) {
	s, ok := raw.(string)
	if !ok {
		return nil, fmt.Errorf("%s is not text", quote(raw))
	}
	return strings.TrimSpace(s), nil
}

func parseAccount(raw any) (any, error) {
	if n, ok := raw.(json.Number); ok {
		return n.String(), nil
	}
	return parseString(raw)
}

func (o *Option) parseNumber(raw any) (any, error) {
	kind := o.Kind
	text, unit := number(raw), int64(1)
	if kind == Size {
		text, unit = cutUnit(text)
	}
	n, err := parseInt(text)
	if err != nil {
		return nil, fmt.Errorf("%s is not a whole number", quote(raw))
	}
	if n < 0 {
		return nil, fmt.Errorf("%s is negative", quote(raw))
	}
	if kind == Int && n > math.MaxInt32 && o.check == nil {
		return int64(math.MaxInt32), nil // as good as no limit
	}
	if n > math.MaxInt64/unit || (kind == Int && n > math.MaxInt32) {
		return nil, fmt.Errorf("%s is too large", quote(raw))
	}
	return n * unit, nil
}

// parseInt reads a whole number as Python writes it: decimal, or with 0x, 0o, 0b and underscores.
// A number of JSON may come as 4.0.
func parseInt(text string) (int64, error) {
	if len(text) > 1 && text[0] == '0' && strings.Trim(text, "0123456789") == "" {
		return strconv.ParseInt(text, 10, 64) // base 0 would read 010 as octal
	}
	return strconv.ParseInt(strings.TrimSuffix(text, ".0"), 0, 64)
}

// cutUnit splits "64M" into the number and the value of its unit.
func cutUnit(text string) (string, int64) {
	upper := strings.TrimSuffix(strings.TrimSuffix(strings.ToUpper(text), "B"), "I")
	for i, unit := range []string{"K", "M", "G", "T"} {
		if number, ok := strings.CutSuffix(upper, unit); ok {
			return strings.TrimSpace(number), 1 << (10 * (i + 1))
		}
	}
	return text, 1
}

func parseMode(raw any) (any, error) {
	text := number(raw)
	n, err := strconv.ParseInt(text, 0, 64) // base 0 reads a leading 0 as octal
	if err != nil {
		return nil, fmt.Errorf("%s is not a file mode", quote(raw))
	}
	if n < 0 || n > 0o7777 {
		return nil, fmt.Errorf("%s is out of range (0 to 07777)", quote(raw))
	}
	return n, nil
}

func parseSeconds(raw any) (any, error) {
	text := number(raw)
	if n, err := parseInt(text); err == nil {
		text = strconv.FormatInt(n, 10) // 0x10 and the like
	}
	s, err := strconv.ParseFloat(text, 64)
	if err != nil || math.IsNaN(s) {
		return nil, fmt.Errorf("%s is not a number of seconds", quote(raw))
	}
	if s < 0 {
		return nil, fmt.Errorf("%s is negative", quote(raw))
	}
	if math.IsInf(s, 1) {
		return nil, fmt.Errorf("%s is too large; 0 is no limit", quote(raw))
	}
	s = min(s, math.MaxInt32) // for ever
	return time.Duration(math.Round(s * float64(time.Second))), nil
}

func parseBool(raw any) (any, error) {
	if b, ok := raw.(bool); ok {
		return b, nil
	}
	s, ok := raw.(string)
	switch strings.ToLower(strings.TrimSpace(s)) {
	case "true":
		return true, nil
	case "false":
		return false, nil
	}
	if !ok {
		return nil, fmt.Errorf("%s is neither True nor False", quote(raw))
	}
	return nil, fmt.Errorf("%s is neither true nor false", quote(raw))
}

func (o *Option) parseChoice(raw any) (any, error) {
	text := strings.ToLower(strings.TrimSpace(python(raw)))
	if other, ok := o.Synonyms[text]; ok {
		text = other
	}
	for _, c := range o.Choices {
		if text == c {
			return c, nil
		}
	}
	if o.Else != "" {
		return o.Else, nil
	}
	return nil, fmt.Errorf("%s is not one of %s", quote(raw), strings.Join(o.Choices, ", "))
}

func parseList(raw any) (any, error) {
	switch v := raw.(type) {
	case string:
		return parseList([]any{v})
	case []string:
		return v, nil
	case []any:
		list := make([]string, 0, len(v))
		for _, e := range v {
			s, err := parseString(e)
			if err != nil {
				return nil, err
			}
			list = append(list, s.(string))
		}
		return list, nil
	}
	return nil, fmt.Errorf("%s is not a list", quote(raw))
}

func parseCommas(raw any) (any, error) {
	s, ok := raw.(string)
	if !ok {
		return parseList(raw)
	}
	list := []string{}
	for part := range strings.SplitSeq(s, ",") {
		if part = strings.TrimSpace(part); part != "" {
			list = append(list, part)
		}
	}
	return list, nil
}

// Nobody among addresses: connections through unix sockets are not believed either.
const Nobody = "none"

func parseAddrs(raw any) (any, error) {
	list, err := parseCommas(raw)
	if err != nil {
		return nil, err
	}
	for _, a := range list.([]string) {
		if a == Nobody {
			if len(list.([]string)) > 1 {
				return nil, fmt.Errorf("%s stands alone", Nobody)
			}
			continue
		}
		if a == "*" {
			continue
		}
		if _, err := netip.ParseAddr(a); err == nil {
			continue
		}
		p, err := netip.ParsePrefix(a)
		if err != nil {
			return nil, fmt.Errorf("%s is neither an IP address nor a network nor * nor none", quote(a))
		}
		if p.Masked() != p {
			return nil, fmt.Errorf("%s has bits set beyond its network; did you mean %v?", quote(a), p.Masked())
		}
	}
	return list, nil
}

func parseDict(raw any) (any, error) {
	m, ok := raw.(map[string]any)
	if !ok {
		return nil, fmt.Errorf("%s is not a dictionary", quote(raw))
	}
	dict := make(map[string]string, len(m))
	for k, e := range m {
		s, err := parseString(e)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", quote(k), err)
		}
		dict[k] = s.(string)
	}
	return dict, nil
}

// isFalse reports whether Python takes a raw value for false.
func isFalse(raw any) bool {
	switch v := raw.(type) {
	case string:
		return v == ""
	case bool:
		return !v
	case map[string]any:
		return len(v) == 0
	}
	return scalar(raw) == "0"
}

// number is the text of a raw value that is a number or text; to Python True and False are numbers.
func number(raw any) string {
	if b, ok := raw.(bool); ok {
		return map[bool]string{false: "0", true: "1"}[b]
	}
	return scalar(raw)
}

// scalar is the text of a raw value that is a number or text, "" for others.
func scalar(raw any) string {
	switch v := raw.(type) {
	case string:
		return strings.TrimSpace(v)
	case json.Number:
		return v.String()
	}
	return ""
}

// quote shows a raw value in an error, in Python's manner, and shortened.
func quote(raw any) string {
	text := python(raw)
	if s, ok := raw.(string); ok {
		text = "'" + s + "'"
	}
	if len(text) > 120 {
		text = text[:117] + "..."
	}
	return text
}
