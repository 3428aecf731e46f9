package config

import (
	"fmt"
	"net"
	"path/filepath"
	"strconv"
	"strings"
)

// Address is where a server listens.
type Address struct {
	Network string // "tcp", "unix" or "fd"
	Addr    string // host:port, a path, or "" for fd
	FD      int    // an inherited socket, for Network "fd"
}

func (a Address) String() string {
	switch a.Network {
	case "unix":
		if strings.HasPrefix(a.Addr, "//") {
			return "unix://" + a.Addr
		}
		return "unix:" + a.Addr
	case "fd":
		return "fd://" + strconv.Itoa(a.FD)
	}
	return a.Addr
}

const defaultPort = "8000"

// ParseAddress reads HOST, HOST:PORT, [IPv6]:PORT, unix:PATH or fd://N, as gunicorn's bind does.
// Without a port it is 8000; without anything it is 0.0.0.0:8000.
func ParseAddress(bind string) (Address, error) {
	if path, ok := strings.CutPrefix(bind, "unix:"); ok {
		path = strings.TrimPrefix(path, "//")
		if path == "" {
			return Address{}, fmt.Errorf("%s has no path", quote(bind))
		}
		return Address{Network: "unix", Addr: path}, nil
	}
	if number, ok := strings.CutPrefix(bind, "fd://"); ok {
		fd, err := strconv.Atoi(number)
		if err != nil || fd < 0 {
			return Address{}, fmt.Errorf("%s is not a file descriptor", quote(bind))
		}
		return Address{Network: "fd", FD: fd}, nil
	}
	return parseTCP(bind, strings.TrimPrefix(bind, "tcp://"))
}

func parseTCP(bind, text string) (Address, error) {
	host, port := text, defaultPort
	switch {
	case text == "":
		host = "0.0.0.0"
	case strings.HasPrefix(text, "["):
		inner, after, ok := strings.Cut(text[1:], "]")
		if !ok || strings.Contains(inner, "[") || (after != "" && after[0] != ':') {
			return Address{}, fmt.Errorf("%s is not an address such as [::1]:8000", quote(bind))
		}
		host = inner
		if after != "" {
			port = after[1:]
		}
	case strings.Count(text, ":") == 1:
		host, port, _ = strings.Cut(text, ":")
	case strings.Contains(text, ":"):
		return Address{}, fmt.Errorf("%s needs brackets around an IPv6 address, as in [::1]:8000", quote(bind))
	}
	if strings.EqualFold(host, "unix") {
		return Address{}, fmt.Errorf("%s has no path", quote(bind))
	}
	n, err := strconv.Atoi(port)
	if err != nil || n < 0 || n > 65535 {
		return Address{}, fmt.Errorf("%s is not a port number (in %s)", quote(port), quote(bind))
	}
	return Address{Network: "tcp", Addr: net.JoinHostPort(strings.ToLower(host), strconv.Itoa(n))}, nil
}

// Addresses is Bind, parsed; relative paths are taken from Chdir.
func (c *Config) Addresses() ([]Address, error) {
	list := make([]Address, 0, len(c.Bind))
	for _, bind := range c.Bind {
		a, err := ParseAddress(bind)
		if err != nil {
			return nil, fmt.Errorf("bind: %w", err)
		}
		if a.Network == "unix" && !filepath.IsAbs(a.Addr) {
			a.Addr = filepath.Join(c.Chdir, a.Addr)
		}
		list = append(list, a)
	}
	return list, nil
}

func checkAddress(v any) error {
	_, err := ParseAddress(v.(string))
	return err
}

func checkAddresses(v any) error {
	for _, bind := range v.([]string) {
		if _, err := ParseAddress(bind); err != nil {
			return err
		}
	}
	return nil
}
