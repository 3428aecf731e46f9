package config

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
)

// python writes a value as Python's str() does, which is what --print-config shows.
func python(v any) string {
	switch v := v.(type) {
	case nil:
		return "None"
	case bool:
		if v {
			return "True"
		}
		return "False"
	case time.Duration:
		return strconv.FormatFloat(v.Seconds(), 'f', -1, 64)
	case []string:
		return pythonList(len(v), func(i int) string { return pythonString(v[i]) })
	case []any:
		return pythonList(len(v), func(i int) string { return pythonElement(v[i]) })
	case map[string]string:
		keys := slices.Sorted(maps.Keys(v))
		list := pythonList(len(keys), func(i int) string { return pythonString(keys[i]) + ": " + pythonString(v[keys[i]]) })
		return "{" + list[1:len(list)-1] + "}"
	case map[string]any:
		keys := slices.Sorted(maps.Keys(v))
		list := pythonList(len(keys), func(i int) string { return pythonString(keys[i]) + ": " + pythonElement(v[keys[i]]) })
		return "{" + list[1:len(list)-1] + "}"
	}
	return fmt.Sprint(v)
}

func pythonElement(v any) string {
	if s, ok := v.(string); ok {
		return pythonString(s)
	}
	return python(v)
}

func pythonList(n int, element func(int) string) string {
	parts := make([]string, n)
	for i := range parts {
		parts[i] = element(i)
	}
	return "[" + strings.Join(parts, ", ") + "]"
}

func pythonString(s string) string {
	return "'" + strings.NewReplacer(`\`, `\\`, `'`, `\'`, "\n", `\n`).Replace(s) + "'"
}
