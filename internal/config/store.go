package config

import (
	"fmt"
	"slices"
	"time"
)

// store puts a parsed value where field points; nil is the field's zero value. That every kind
// fits its field is what TestOptionsFillTheirFields holds.
func store(field, value any) {
	if value == nil {
		return
	}
	switch f := field.(type) {
	case *string:
		*f = value.(string)
	case *int:
		*f = int(value.(int64))
	case *int64:
		*f = value.(int64)
	case *bool:
		*f = value.(bool)
	case *time.Duration:
		*f = value.(time.Duration)
	case *[]string:
		*f = slices.Clone(value.([]string))
	case *map[string]string:
		*f = value.(map[string]string)
	default:
		panic(fmt.Sprintf("config: no setting fills a %T", field))
	}
}
