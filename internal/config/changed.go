package config

import (
	"maps"
	"reflect"
	"slices"
)

// Changed lists the keys of the settings that differ between two configurations,
// sorted.
func Changed(before, after *Config) (keys []string) {
	for _, key := range slices.Sorted(maps.Keys(after.resolved)) {
		if !reflect.DeepEqual(before.shown(key), after.shown(key)) {
			keys = append(keys, key)
		}
	}
	return keys
}
