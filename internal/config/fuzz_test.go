package config

import (
	"encoding/json"
	"reflect"
	"testing"
)

// FuzzOptionValue gives every option what a configuration file could hold: it
// is refused with a reason, or taken as a value of the option's type, which
// flags and the environment can then say as well.
func FuzzOptionValue(f *testing.F) {
	for _, seed := range []string{`"1"`, `8`, `2.5`, `-1`, `1e99`, `null`, `true`, `["a", 1, null]`, `{"a": "b"}`, `"0o22"`, `"64K"`, `"10.0.0.0/8, *"`, `[[]]`, `""`} {
		f.Add([]byte(`{"x": ["value", ` + seed + `]}`))
	}
	f.Add([]byte(`{"x": ["class", "a.B"], "y": ["wrong", "it is"]}`))
	f.Add([]byte(`{"x": ["callable", "f"]}`))
	options := Options()
	f.Fuzz(func(t *testing.T, answer []byte) {
		values, err := Variables{Values: answer}.values()
		if err != nil {
			return
		}
		for name, raw := range values {
			for i := range options {
				wantOwnType(t, &options[i], name, raw)
			}
			if text, ok := raw.(string); ok { // as a flag says it
				_, _ = parseFlags(Options(), []string{"--bind", text, text}, "the test")
			}
		}
	})
}

// wantOwnType checks that an option's value has the type of its default.
func wantOwnType(t *testing.T, o *Option, name string, raw any) {
	t.Helper()
	v, err := o.parse(raw)
	switch {
	case err != nil:
		if v != nil || err.Error() == "" {
			t.Errorf("%s of %s: %v, and no reason", o.Key, name, v)
		}
	case o.Kind != Opaque && v != nil && o.Default != nil && reflect.TypeOf(v) != reflect.TypeOf(o.Default):
		b, _ := json.Marshal(raw)
		t.Errorf("%s = %s is %T, the default %T", o.Key, b, v, o.Default)
	}
}
