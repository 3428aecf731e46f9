package config

import (
	"fmt"
	"reflect"
	"testing"
)

func TestTuned(t *testing.T) {
	for cores, workers := range map[int][]any{1: {1, 2, 3, 4}, 2: {1, 2, 3, 5, 8}, 8: {1, 8, 9, 17, 32}} {
		got := Tuned(cores)
		if !reflect.DeepEqual(got["workers"], workers) {
			t.Errorf("%d cores: workers %v, want %v", cores, got["workers"], workers)
		}
		if len(got) != 4 || len(got["threads"]) == 0 || len(got["preload_app"]) != 2 {
			t.Errorf("%d cores: %v", cores, got)
		}
		// Each is a value that the setting takes.
		options := Options()
		for key, values := range got {
			o := byKey(options)[key]
			for _, v := range values {
				if _, err := o.parse(fmt.Sprint(v)); err != nil {
					t.Errorf("%s: %v: %v", key, v, err)
				}
			}
		}
	}
}
