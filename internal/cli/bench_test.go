//go:build !windows

package cli

import (
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// TestBenchScripts runs testdata/bench/*.txtar against a server: $URL is its root, $SOCK a Unix socket of the same, $URL2 a
// slow one, $REFUSED an address where nobody listens.
func TestBenchScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/bench",
		RequireExplicitExec: true,
		Setup:               setUpBench,
		Cmds:                map[string]func(*testscript.TestScript, bool, []string){"envsubst": cmdEnvsubst},
	})
}

// cmdEnvsubst replaces variables in a file.
func cmdEnvsubst(ts *testscript.TestScript, _ bool, args []string) {
	path := ts.MkAbs(args[0])
	text := os.Expand(ts.ReadFile(path), ts.Getenv)
	ts.Check(os.WriteFile(path, []byte(text), 0o644))
}

func setUpBench(env *testscript.Env) error {
	tcp, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	// Not in the work directory: its path may be longer than a socket's address can be.
	dir, err := os.MkdirTemp("", "bench")
	if err != nil {
		return err
	}
	unix, err := net.Listen("unix", dir+"/s")
	if err != nil {
		return err
	}
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	env.Setenv("REFUSED", "http://"+closed.Addr().String())
	closed.Close()
	env.Setenv("SOCK", dir+"/s")
	env.Setenv("SOCKURL", "http+unix://"+strings.ReplaceAll(dir+"/s", "/", "%2F"))
	slow, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	handler := benchHandler()
	for _, l := range []net.Listener{tcp, unix, slow} {
		s := httptest.NewUnstartedServer(handler)
		if l == slow {
			s.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				time.Sleep(30 * time.Millisecond) // slower than the other, which is the difference under test
				handler.ServeHTTP(w, r)
			})
		}
		s.Listener.Close()
		s.Listener = l
		s.Start()
		env.Defer(s.Close)
	}
	env.Defer(func() { os.RemoveAll(dir) })
	env.Setenv("URL", "http://"+tcp.Addr().String())
	env.Setenv("HOST", tcp.Addr().String())
	env.Setenv("URL2", "http://"+slow.Addr().String())
	return nil
}

// benchHandler answers /sleep after 300 ms, /busy with 503, /show with what it was sent, and anything else at once.
func benchHandler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("/sleep", func(w http.ResponseWriter, _ *http.Request) {
		time.Sleep(300 * time.Millisecond) // the latency under test
		fmt.Fprint(w, "slept")
	})
	mux.HandleFunc("/busy", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusServiceUnavailable) })
	mux.HandleFunc("/evil", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Server", "evil\x1b[2J\x9b")
		w.Header().Set("X-Evil", "red\x1b[31m")
	})
	mux.HandleFunc("/evil/redirect", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Location", "\x1b[2J://")
		w.WriteHeader(http.StatusFound)
	})
	mux.HandleFunc("/show", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Show", fmt.Sprint(r.Method, " ", r.ContentLength, " ", r.Header.Get("X-Test")))
		user, password, _ := r.BasicAuth()
		w.Header().Set("X-Sent", fmt.Sprint(r.Header.Get("Content-Type"), " ", r.Header.Get("Cookie"), " ", user, ":", password))
	})
	mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Server", "bench-test")
		w.Header().Set("Server-Timing", "queue;dur=0.5, app;dur=1")
		fmt.Fprint(w, "hello")
	})
	return mux
}
