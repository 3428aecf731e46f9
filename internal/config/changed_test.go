package config

import (
	"reflect"
	"testing"
)

func TestChanged(t *testing.T) {
	before, _, err := load(t, sources{args: "app -w 1 -t 5 --chdir /"})
	if err != nil {
		t.Fatal(err)
	}
	after, _, err := load(t, sources{args: "app -w 2 --chdir / --spew", file: "timeout = 6"})
	if err != nil {
		t.Fatal(err)
	}
	if got, want := Changed(before, after), []string{"spew", "timeout", "workers"}; !reflect.DeepEqual(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	if got := Changed(before, before); got != nil {
		t.Errorf("nothing changed, but %v", got)
	}
}
