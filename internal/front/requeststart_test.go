package front

import (
	"testing"
	"time"
)

func TestRequestStartInEveryUnit(t *testing.T) {
	want := time.UnixMilli(1_700_000_000_123)
	for _, value := range []string{
		"t=1700000000.123", "1700000000.123", "t=1700000000123", "1700000000123", "t=1700000000123000", "1700000000123000",
	} {
		at, ok := parseRequestStart(value)
		if d := at.Sub(want); !ok || d.Abs() > time.Microsecond {
			t.Errorf("%q: %v, %v, want %v", value, at, ok, want)
		}
	}
	for _, value := range []string{
		"", "t=", "now", "t=-1700000000", "+1700000000", "1e9", "0x1p30", "1.2.3", "t=1700000000123000000", "inf", "t= 1700000000",
	} {
		if at, ok := parseRequestStart(value); ok {
			t.Errorf("%q is taken for %v", value, at)
		}
	}
}
