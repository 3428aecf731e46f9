package plan

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
)

// A Server is how a built-in server is started and recognised.
type Server struct {
	// Command is the line to run. A word pair such as "-w {workers}" whose placeholder
	// has no value in a setting is left out together with its flag.
	Command string
	// Version prints the server's version; it fails where the server is missing.
	Version string
	// Install says how to get it.
	Install string
	// Classes are the worker classes that -k may name; empty means that it has none.
	Classes []string
	// ASGI is the command for an ASGI application; empty if the server runs none. Such a
	// setting has workers and no threads, and no class but the one for ASGI.
	ASGI string
	// OnlyASGI is set for a server that runs nothing else.
	OnlyASGI bool
}

// Interfaces of an app.
const (
	WSGI = "wsgi"
	ASGI = "asgi"
)

// servers returns the built-in servers by name. Options beyond address, size and app
// only silence logs that other servers do not write either.
func servers() map[string]Server {
	pip := func(name string) string { return "pip install " + name }
	return map[string]Server{
		"girin": {
			Command: "{girin} serve --python {python} -b {host}:{port} -w {workers} --threads {threads} -k {class} {app}",
			Version: "{girin} version",
			Classes: []string{"sync", "gthread", "gevent", "gaiohttp", "auto"},
			ASGI:    "{girin} serve --python {python} -b {host}:{port} -w {workers} {app}",
		},
		"gunicorn": {
			Command: "{python} -m gunicorn --log-level warning -b {host}:{port} -w {workers} --threads {threads} -k {class} {app}",
			Version: "{python} -m gunicorn --version", Install: pip("gunicorn gevent"),
			Classes: []string{"sync", "gthread", "gevent", "gaiohttp", "eventlet", "tornado"},
			ASGI:    "{python} -m gunicorn --log-level warning -b {host}:{port} -w {workers} -k asgi {app}",
		},
		"uwsgi": {
			Command: "{bin}/uwsgi --http11-socket {host}:{port} --master --die-on-term --need-app --disable-logging --enable-threads " +
				"--listen 100 --pythonpath . --processes {workers} --threads {threads} --module {app}",
			Version: "{bin}/uwsgi --version", Install: pip("uwsgi"),
		},
		"waitress": {
			Command: "{python} -m waitress --listen {host}:{port} --threads {threads} {app}",
			Version: `{python} -c import\ importlib.metadata;print(importlib.metadata.version("waitress"))`, Install: pip("waitress"),
		},
		"hypercorn": {
			Command: "{python} -m hypercorn --log-level warning -b {host}:{port} -w {workers} wsgi:{app}",
			Version: `{python} -c import\ importlib.metadata;print(importlib.metadata.version("hypercorn"))`, Install: pip("hypercorn"),
			ASGI: "{python} -m hypercorn --log-level warning -b {host}:{port} -w {workers} {app}",
		},
		"uvicorn": {
			Command: "{python} -m uvicorn --interface wsgi --no-access-log --log-level warning --host {host} --port {port} --workers {workers} {app}",
			Version: "{python} -m uvicorn --version", Install: pip("uvicorn"),
			ASGI: "{python} -m uvicorn --interface asgi3 --no-access-log --log-level warning --host {host} --port {port} --workers {workers} {app}",
		},
		"granian": {
			Command: "{bin}/granian --interface wsgi --no-ws --http 1 --log-level warning --host {host} --port {port} " +
				"--workers {workers} --blocking-threads {threads} {app}",
			Version: "{bin}/granian --version", Install: pip("granian"),
			ASGI: "{bin}/granian --interface asgi --http 1 --log-level warning --host {host} --port {port} --workers {workers} {app}",
		},
		"daphne": {
			ASGI:    "{python} -m daphne --verbosity 0 --bind {host} --port {port} {app}",
			Version: `{python} -c import\ importlib.metadata;print(importlib.metadata.version("daphne"))`, Install: pip("daphne"), OnlyASGI: true,
		},
		"gevent.pywsgi": {
			Command: "{python} -m _girin_lab_pywsgi {host} {port} {app}",
			Version: `{python} -c import\ gevent;print(gevent.__version__)`, Install: pip("gevent"),
		},
	}
}

// ServerNames lists the built-in servers.
func ServerNames() []string { return slices.Sorted(maps.Keys(servers())) }

// BuiltIn returns the built-in server of a subject, with the command and the classes for its
// interface. ok is false for one that is only a command.
func (s Subject) BuiltIn() (server Server, ok bool) {
	if s.Command != "" {
		return Server{Command: s.Command}, false
	}
	server, ok = servers()[s.Server]
	if s.Interface == ASGI {
		server.Command, server.Classes = server.ASGI, nil
	}
	return server, ok
}

var placeholder = regexp.MustCompile(`\{[a-z]*\}`)

// placeholders are the names that a command may use.
func placeholders() []string {
	return []string{"{host}", "{port}", "{app}", "{module}", "{callable}", "{workers}", "{threads}", "{class}", "{python}", "{bin}", "{girin}"}
}

func checkTemplate(command string) error {
	for _, p := range placeholder.FindAllString(command, -1) {
		if !slices.Contains(placeholders(), p) {
			return fmt.Errorf("unknown placeholder %s (there are %s)", p, strings.Join(placeholders(), " "))
		}
	}
	if !strings.Contains(command, "{port}") {
		return fmt.Errorf("the command does not use {port}")
	}
	return nil
}

// Fill makes the argument vector of a command. values maps a placeholder's name to its
// value. A word that needs an empty value is dropped, with the flag before it. Spaces
// are quoted by a backslash.
func Fill(command string, values map[string]string) []string {
	var argv []string
	for _, word := range splitWords(command) {
		empty := false
		filled := placeholder.ReplaceAllStringFunc(word, func(p string) string {
			value, known := values[strings.Trim(p, "{}")]
			if !known {
				return p
			}
			empty = empty || value == ""
			return value
		})
		if !empty {
			argv = append(argv, filled)
		} else if n := len(argv); n > 0 && strings.HasPrefix(argv[n-1], "-") {
			argv = argv[:n-1]
		}
	}
	return argv
}

func splitWords(command string) []string {
	var words []string
	var word strings.Builder
	escaped := false
	for _, r := range command {
		switch {
		case escaped:
			word.WriteRune(r)
			escaped = false
		case r == '\\':
			escaped = true
		case r == ' ' || r == '\n' || r == '\t':
			if word.Len() > 0 {
				words = append(words, word.String())
				word.Reset()
			}
		default:
			word.WriteRune(r)
		}
	}
	if word.Len() > 0 {
		words = append(words, word.String())
	}
	return words
}
