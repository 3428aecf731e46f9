package bench

import (
	"fmt"
	"strconv"
	"strings"
)

// StatusSet is a set of HTTP statuses as closed ranges.
type StatusSet [][2]int

// ParseStatusSet reads a list such as "200,404" or "2xx,3xx".
func ParseStatusSet(s string) (StatusSet, error) {
	var set StatusSet
	for item := range strings.SplitSeq(s, ",") {
		item = strings.TrimSpace(item)
		if d, ok := strings.CutSuffix(strings.ToLower(item), "xx"); ok && len(d) == 1 && d >= "1" && d <= "5" {
			n := int(d[0]-'0') * 100
			set = append(set, [2]int{n, n + 99})
			continue
		}
		n, err := strconv.Atoi(item)
		if err != nil || n < 100 || n > 599 {
			return nil, fmt.Errorf("%q is neither a status such as 404 nor a class such as 2xx", item)
		}
		set = append(set, [2]int{n, n})
	}
	return set, nil
}

func (s StatusSet) has(status int) bool {
	for _, r := range s {
		if r[0] <= status && status <= r[1] {
			return true
		}
	}
	return false
}
