package config

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"net"
	"slices"
	"strings"

	"github.com/spf13/pflag"
)

// uvicornOption is one of uvicorn's options that has another name here, or no effect. With these, and
// those of the same name, a command line of uvicorn's keeps its meaning, as its variables do.
type uvicornOption struct {
	flag string
	kind Kind                  // Bool, or String if a value follows
	key  string                // the setting that gets the value; "": there is none
	raw  func(text string) any // makes the setting's raw value; nil takes the text
	note string                // what the user is told; "": nothing
}

// uvicornSame are options that are called the same in both. The others of this name are not uvicorn's.
var uvicornSame = []string{
	"workers", "reload", "root-path", "backlog", "log-config", "log-level", "forwarded-allow-ips", "ws", "ws-ping-interval", "ws-ping-timeout",
}

const (
	ownProtocol = "has no effect: girin speaks HTTP itself"
	ownWatch    = "has no effect: --reload watches what the application has imported; --reload-extra-file names more"
)

func uvicornOptions() []uvicornOption {
	constant := func(value any) func(string) any { return func(string) any { return value } }
	return []uvicornOption{
		{flag: "host"}, // these two: see listen
		{flag: "port"},
		{flag: "uds", key: "bind", raw: func(path string) any { return "unix:" + path }},
		{flag: "fd", key: "bind", raw: func(number string) any { return "fd://" + number }},
		{flag: "factory", kind: Bool}, // see callFactory
		{flag: "app-dir", key: "pythonpath"},
		{flag: "loop", key: "asgi_loop"},
		{flag: "lifespan", key: "asgi_lifespan"},
		{flag: "interface", note: "has no effect: whether an application speaks WSGI or ASGI is seen"},
		{flag: "http", note: ownProtocol},
		{flag: "ws-max-size", key: "websocket_max_message_size"},
		{flag: "ws-per-message-deflate", key: "ws_per_message_deflate"},
		{flag: "proxy-headers", kind: Bool},
		{flag: "no-proxy-headers", kind: Bool, key: "forwarded_allow_ips", raw: constant(Nobody)},
		{flag: "access-log", kind: Bool, key: "accesslog", raw: constant("-")},
		{flag: "no-access-log", kind: Bool, key: "accesslog", raw: constant("")},
		{flag: "use-colors", kind: Bool, note: "has no effect: the logs have no colours"},
		{flag: "no-use-colors", kind: Bool},
		{flag: "no-server-header", kind: Bool, key: "server_header", raw: constant("")},
		{flag: "date-header", kind: Bool},
		{flag: "limit-concurrency", key: "worker_connections", note: "counts for each worker, and requests beyond it wait"},
		{flag: "limit-max-requests", key: "max_requests"},
		{flag: "limit-max-requests-jitter", key: "max_requests_jitter"},
		{flag: "timeout-keep-alive", key: "keepalive"},
		{flag: "timeout-graceful-shutdown", key: "graceful_timeout"},
		{flag: "timeout-worker-healthcheck", note: "has no effect: no worker is ended for being busy; --timeout is for each request"},
		{flag: "h11-max-incomplete-event-size", note: "has no effect: --limit-request-line and --limit-request-field_size are the limits"},
		{flag: "reset-contextvars", kind: Bool}, // no request sees the lifespan's
		{flag: "ssl-keyfile", key: "keyfile"},
		{flag: "ssl-certfile", key: "certfile"},
		{flag: "ssl-ca-certs", key: "ca_certs"},
		{flag: "ssl-cert-reqs", key: "cert_reqs"},
		{flag: "ssl-ciphers", key: "ciphers"},
		{flag: "reload-dir", note: ownWatch},
		{flag: "reload-include", note: ownWatch},
		{flag: "reload-exclude", note: ownWatch},
		{flag: "reload-delay", note: "has no effect: --reload waits for no time"},
	}
}

func uvicornFlags() (names []string) {
	for _, o := range uvicornOptions() {
		names = append(names, "--"+o.flag)
	}
	return names
}

// uvicornValue collects what a command line says about one of uvicorn's options.
type uvicornValue struct {
	option uvicornOption
	layer  *layer
}

func (v *uvicornValue) Set(text string) error {
	o, l := v.option, v.layer
	l.uvicorn[o.flag] = text
	if o.note != "" {
		l.warnings = append(l.warnings, Warning{Key: "--" + o.flag, Source: l.source, Text: o.note})
	}
	if o.key == "" {
		return nil
	}
	var raw any = text
	if o.raw != nil {
		raw = o.raw(text)
	}
	l.say(o.key, raw, "--"+o.flag)
	return nil
}

func (v *uvicornValue) String() string { return "" }
func (v *uvicornValue) Type() string   { return "" }

// say sets a setting that was written under another name.
func (l *layer) say(key string, raw any, written string) {
	l.values[key] = raw
	l.written[key] = written
}

// addUvicorn adds uvicorn's options to those of a command line.
func addUvicorn(set *pflag.FlagSet, l *layer) {
	for _, o := range uvicornOptions() {
		f := set.VarPF(&uvicornValue{option: o, layer: l}, o.flag, "", "")
		if o.kind == Bool {
			f.NoOptDefVal = "true"
		}
	}
}

// listen makes an address of uvicorn's host and port, each of which may come from another source.
func (l *loader) listen(from *layer) error {
	host, port := from.uvicorn["host"], from.uvicorn["port"]
	if host == "" && port == "" {
		return nil
	}
	written := "--host"
	if port != "" {
		written = "--port"
	}
	if from.values["bind"] != nil {
		already := cmp.Or(from.written["bind"], "--bind")
		return &Error{Name: written, Source: from.source, Usage: true, Err: errors.New(already + " says already where to listen")}
	}
	l.host, l.port = cmp.Or(host, l.host, "127.0.0.1"), cmp.Or(port, l.port, "8000")
	from.say("bind", net.JoinHostPort(l.host, l.port), written)
	return nil
}

// callFactory makes the application's name say that it is a function to be called, as --factory does.
func (l *loader) callFactory(resolved map[string]setting) error {
	app := resolved["wsgi_app"]
	name, _ := app.value.(string)
	if !l.factory || name == "" || strings.Contains(name, "(") {
		return nil
	}
	if !strings.Contains(name, ":") {
		return app.error(errors.New("--factory needs a function, MODULE:FUNCTION"))
	}
	app.value = name + "()"
	resolved["wsgi_app"] = app
	return nil
}

// uvicornEnvironment is the layer of uvicorn's variables: UVICORN_PORT is --port.
func (l *loader) uvicornEnvironment() (*layer, error) {
	var args []string
	known := map[string]bool{}
	for _, o := range uvicornOptions() {
		known[o.flag] = o.kind == Bool
	}
	for _, flag := range uvicornSame {
		known[flag] = flag == "reload"
	}
	for _, flag := range slices.Sorted(maps.Keys(known)) {
		name := flag
		if yes, no := strings.CutPrefix(flag, "no-"); no {
			name = yes // the variable is that of both
		}
		text := l.getenv(uvicornVariable(name))
		switch {
		case text == "":
		case !known[flag]:
			args = append(args, "--"+flag+"="+text)
		default:
			yes, err := uvicornBool(text)
			if err != nil {
				return nil, &Error{Name: "--" + flag, Source: uvicornVariables, Usage: true, Err: err}
			}
			if yes == (name == flag) {
				args = append(args, "--"+flag)
			}
		}
	}
	if app := l.getenv("UVICORN_APP"); app != "" {
		args = append(args, "--", app)
	}
	layer, err := parseFlags(l.options, args, uvicornVariables)
	if err != nil {
		return nil, err
	}
	for _, name := range []string{"env-file", "headers", "ssl-keyfile-password"} {
		variable := uvicornVariable(name)
		if l.getenv(variable) != "" {
			text := "has no effect; write " + elsewhere[strings.TrimSuffix(name, "s")]
			layer.warnings = append(layer.warnings, Warning{Key: variable, Source: "the environment", Text: text})
		}
	}
	return layer, nil
}

func uvicornVariable(flag string) string {
	return "UVICORN_" + strings.ToUpper(strings.ReplaceAll(flag, "-", "_"))
}

const uvicornVariables = "uvicorn's variables UVICORN_*"

// uvicornBool reads what uvicorn takes for yes or no, in its variables.
func uvicornBool(text string) (bool, error) {
	switch strings.ToLower(strings.TrimSpace(text)) {
	case "1", "true", "t", "yes", "y", "on":
		return true, nil
	case "0", "false", "f", "no", "n", "off":
		return false, nil
	}
	return false, fmt.Errorf("%s is neither true nor false", quote(text))
}
