package config

import (
	"fmt"
	"strings"
)

// WorkerClasses are the names that worker_class takes.
func WorkerClasses() []string { return []string{"auto", "sync", "gthread", "gevent", "gaiohttp"} }

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
	switch short {
	case "sync", "gthread", "gevent", "gaiohttp", "auto":
		return short, "", nil
	case "gevent_wsgi", "gevent_pywsgi":
		return "gevent", "means gevent: gevent's own HTTP server takes no part here", nil
	case "aiohttp":
		return "gaiohttp", "", nil
	case "eventlet", "tornado":
		return "", "", fmt.Errorf("%s is not built; gevent or gthread may do", quote(name))
	case "asgi":
		return "", "", fmt.Errorf("%s is not built yet: only WSGI applications are served", quote(name))
	}
	if strings.HasPrefix(name, "uvicorn.workers.") || strings.HasPrefix(name, "uvicorn_worker.") {
		return "", "", fmt.Errorf("%s runs ASGI applications, which is not built yet", quote(name))
	}
	if hint := Nearest(name, WorkerClasses()); hint != "" {
		return "", "", fmt.Errorf("%s is not a worker class; did you mean %s?", quote(name), hint)
	}
	return "", "", fmt.Errorf("%s is not a worker class (auto, sync, gthread, gevent, gaiohttp); classes of one's own do not run here", quote(name))
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
