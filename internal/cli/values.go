package cli

import (
	"errors"
	"fmt"
	"strconv"

	"github.com/spf13/pflag"
)

// numbers are what Go's parsers take, by their names in errors.
var numbers = map[string]string{"ParseInt": "a whole number", "ParseUint": "a whole number from 0 on", "ParseFloat": "a number", "ParseBool": "true or false"}

// inWords says which value a flag does not take where pflag has the words of Go's own parser.
func inWords(err error) error {
	var flag *pflag.InvalidValueError
	var number *strconv.NumError
	if !errors.As(err, &flag) || !errors.As(err, &number) || numbers[number.Func] == "" {
		return err
	}
	if errors.Is(number, strconv.ErrRange) {
		return fmt.Errorf("--%s: %s is out of range", flag.GetFlag().Name, flag.GetValue())
	}
	return fmt.Errorf("--%s: %q is not %s", flag.GetFlag().Name, flag.GetValue(), numbers[number.Func])
}
