package config

import (
	"fmt"
	"strings"
)

// WorkerClasses are the names that worker_class takes.
func WorkerClasses() []string {
	return []string{"auto", "sync", "gthread", "gevent", "gaiohttp", "asgi"}
}

// otherClasses are those of other projects that are known, by their whole names.
var otherClasses = map[string]struct{ short, note string }{
	"geventwebsocket.gunicorn.workers.GeventWebSocketWorker": {"gevent", "means gevent, with wsgi.websocket in the environ"},
	"uvicorn.workers.UvicornWorker":                          {"asgi", uvicornNote},
	"uvicorn.workers.UvicornH11Worker":                       {"asgi", uvicornNote},
	"uvicorn_worker.UvicornWorker":                           {"asgi", uvicornNote},
	"uvicorn_worker.UvicornH11Worker":                        {"asgi", uvicornNote},
}

const uvicornNote = "means asgi: uvicorn takes no part here"

// workerClass is Girin's class for a name or a dotted class of gunicorn's, with what the user
// should know about the difference, if there is one.
func workerClass(name string) (class, note string, err error) {
	short := name
	if module, _, ok := cutLast(name, "."); ok && strings.HasPrefix(module, "gunicorn.workers.") {
		short = strings.TrimPrefix(strings.TrimPrefix(module, "gunicorn.workers."), "g")
		if short == "thread" {
			short = "gthread"
		}
		if strings.HasSuffix(name, "PyWSGIWorker") {
			short = "gevent_pywsgi"
		}
	}
	if class, ok := otherClasses[name]; ok {
		short = class.short
		note = class.note
	}
	switch short {
	case "sync", "gthread", "gevent", "gaiohttp", "asgi", "auto":
		return short, note, nil
	case "gevent_wsgi", "gevent_pywsgi":
		return "gevent", "means gevent: gevent's own HTTP server takes no part here", nil
	case "aiohttp":
		return "gaiohttp", "", nil
	case "eventlet":
		return "gevent", "means gevent, which must be installed: eventlet takes no part here", nil
	case "tornado":
		return "", "", fmt.Errorf("%s is not built; gevent or gthread may do", quote(name))
	}
	if hint := Nearest(name, WorkerClasses()); hint != "" {
		return "", "", fmt.Errorf("%s is not a worker class; did you mean %s?", quote(name), hint)
	}
	return "", "", fmt.Errorf("%s is not a worker class (%s); classes of one's own do not run here", quote(name), strings.Join(WorkerClasses(), ", "))
}

func checkWorkerClass(v any) error {
	_, _, err := workerClass(v.(string))
	return err
}

// cutLast slices s around the last sep.
func cutLast(s, sep string) (before, after string, found bool) {
	i := strings.LastIndex(s, sep)
	if i < 0 {
		return s, "", false
	}
	return s[:i], s[i+len(sep):], true
}
