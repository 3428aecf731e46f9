package config

import (
	"fmt"
	"girin/internal/pattern"
	"os/user"
	"strconv"
	"strings"

	"girin/internal/logs"
	"girin/internal/statsd"
)

func atLeast(limit int64) func(any) error {
	return func(v any) error {
		if n := v.(int64); n < limit {
			return fmt.Errorf("%d is too small; the least is %d", n, limit)
		}
		return nil
	}
}

func between(least, most int64) func(any) error {
	return func(v any) error {
		if err := atLeast(least)(v); err != nil {
			return err
		}
		return atMost(most)(v)
	}
}

func atMost(limit int64) func(any) error {
	return func(v any) error {
		if n := v.(int64); n > limit {
			return fmt.Errorf("%d is too large; the most is %d", n, limit)
		}
		return nil
	}
}

func checkProtocols(v any) error {
	for _, p := range v.([]string) {
		if p != "h1" && p != "h2" {
			return fmt.Errorf("%s is not a version of HTTP; there are h1 and h2", quote(p))
		}
	}
	return nil
}

func checkEnv(v any) error {
	for _, e := range v.([]string) {
		if name, _, ok := strings.Cut(e, "="); !ok || name == "" {
			return fmt.Errorf("%s is not of the form KEY=VALUE", quote(e))
		}
	}
	return nil
}

func checkURLPath(v any) error {
	if p := v.(string); !strings.HasPrefix(p, "/") || strings.ContainsAny(p, "?# ") {
		return fmt.Errorf("%s is not a path such as /healthz", quote(p))
	}
	return nil
}

func checkFieldValue(v any) error {
	value := v.(string)
	if strings.TrimSpace(value) != value || strings.ContainsFunc(value, func(r rune) bool { return r < ' ' || r > '~' }) {
		return fmt.Errorf("%s is not visible ASCII, or has spaces at an end", quote(value))
	}
	return nil
}

func checkAccessLogFormat(v any) error {
	_, err := logs.ParseFormat(v.(string))
	return err
}

func checkSyslogAddr(v any) error {
	_, _, err := logs.ParseSyslogAddress(v.(string))
	return err
}

func checkStatsd(v any) error {
	if v.(string) == "" {
		return nil
	}
	_, _, err := statsd.Parse(v.(string))
	return err
}

func checkFacility(v any) error {
	_, err := logs.Facility(v.(string))
	return err
}

func checkUser(v any) error {
	_, err := userID(v.(string))
	return err
}

func checkGroup(v any) error {
	_, err := groupID(v.(string))
	return err
}

func userID(name string) (int, error) {
	if id, err := strconv.ParseUint(name, 10, 31); err == nil {
		return int(id), nil
	}
	u, err := user.Lookup(name)
	if err != nil {
		return 0, fmt.Errorf("there is no user %s", quote(name))
	}
	return strconv.Atoi(u.Uid)
}

// primaryGroup is a user's own group; other, if the user is not known by name.
func primaryGroup(uid, other int) int {
	u, err := user.LookupId(strconv.Itoa(uid))
	if err != nil {
		return other
	}
	gid, err := strconv.Atoi(u.Gid)
	if err != nil {
		return other
	}
	return gid
}

func groupID(name string) (int, error) {
	if id, err := strconv.ParseUint(name, 10, 31); err == nil {
		return int(id), nil
	}
	g, err := user.LookupGroup(name)
	if err != nil {
		return 0, fmt.Errorf("there is no group %s", quote(name))
	}
	return strconv.Atoi(g.Gid)
}

// fromPort is what $PORT says about bind.
func fromPort(port string) any { return "0.0.0.0:" + port }

// fromYes is what $SENDFILE says about sendfile.
func fromYes(text string) any {
	switch strings.ToLower(text) {
	case "y", "1", "yes", "true":
		return true
	}
	return false
}

func checkPatterns(v any) error {
	_, err := pattern.Parse(v.([]string))
	return err
}
