package e2e_test

import (
	"context"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// hang is what hangs in a configuration file or an application.
type hang struct {
	config, app string
	args        []string
	provoke     func(t *testing.T, s *server)
}

// hangs are places where something that is not the server's own never returns,
// and what makes the server come there once it serves; nil: it does at its start.
// Each waits for the file hang, and says by the file hangs that it has come.
var hangs = map[string]hang{
	"the configuration":              {config: "import spot; spot.pause()", provoke: hup},
	"on_starting":                    {config: "def on_starting(server):\n    import spot; spot.pause(True)"},
	"on_reload":                      {config: "def on_reload(server):\n    import spot; spot.pause()", provoke: hup},
	"pre_fork":                       {config: "def pre_fork(server, worker):\n    import spot; spot.pause()", provoke: hup},
	"when_ready":                     {config: "def when_ready(server):\n    import spot; spot.pause(True)", provoke: func(*testing.T, *server) {}},
	"on_exit":                        {config: "def on_exit(server):\n    import spot; spot.pause()", provoke: term},
	"worker_exit":                    {config: "def worker_exit(server, worker):\n    import spot; spot.pause()", provoke: term},
	"the application":                {app: "import spot; spot.pause()", provoke: hup},
	"the application, as a template": {app: "import spot; spot.pause()", args: []string{"--preload"}, provoke: hup},
	"post_fork, of a template": {
		config: "def post_fork(server, worker):\n    import spot; spot.pause()", args: []string{"--preload"}, provoke: hup,
	},
	"a request": {
		app: "def application(env, start):\n    import spot; spot.pause()\n    start('200 OK', [])\n    return [b'']",
		provoke: func(t *testing.T, s *server) {
			go func() { res, err := http.Get("http://" + s.addr + "/"); shut(res, err) }()
		},
	},
}

func shut(res *http.Response, err error) {
	if err == nil {
		res.Body.Close()
	}
}

func hup(t *testing.T, s *server)  { signal(t, s, syscall.SIGHUP) }
func term(t *testing.T, s *server) { signal(t, s, syscall.SIGTERM) }

func signal(t *testing.T, s *server, sig syscall.Signal) {
	t.Helper()
	if err := s.cmd.Process.Signal(sig); err != nil {
		t.Fatal(err)
	}
}

const spot = `import os, signal, threading, time
HERE = os.path.dirname(os.path.abspath(__file__))
def pause(always=False):
    if always or os.path.exists(HERE + "/hang"):
        open(HERE + "/hangs", "w").close()
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
        while True:
            time.sleep(600)
`

func waitFile(t *testing.T, path string) {
	t.Helper()
	eventually(t, path+" is there", func() bool { _, err := os.Stat(path); return err == nil })
}

// A second TERM or INT ends the server within a second whatever hangs, and
// nothing is left behind.
func TestASecondSignalEndsTheServerWhateverHangs(t *testing.T) {
	pairs := [][2]syscall.Signal{{syscall.SIGTERM, syscall.SIGTERM}, {syscall.SIGTERM, syscall.SIGINT}, {syscall.SIGINT, syscall.SIGINT}}
	for name, hang := range hangs {
		sigs := pairs[len(name)%len(pairs)]
		t.Run(name+", "+sigs[0].String()+" and "+sigs[1].String(), func(t *testing.T) {
			t.Parallel()
			dir := hangingApp(t, hang.config, hang.app)
			args := append([]string{"--chdir", dir, "-c", filepath.Join(dir, "conf.py"), "--pid", filepath.Join(dir, "pid"), "--graceful-timeout", "60"}, hang.args...)
			s := launch(t, options{args: args, env: []string{"PYTHONPATH=" + dir}})
			if hang.provoke != nil {
				s.wait(t, "Ready after")
				put(t, filepath.Join(dir, "hang"), "")
				hang.provoke(t, s)
			}
			waitFile(t, filepath.Join(dir, "hangs"))
			family := descendants(t, s.cmd.Process.Pid)
			signal(t, s, sigs[0])
			select {
			case <-s.done: // nothing hung in its way
			case <-time.After(200 * time.Millisecond):
			}
			began := time.Now()
			_ = s.cmd.Process.Signal(sigs[1])
			select {
			case <-s.done:
			case <-time.After(limit):
				t.Fatal("it does not end")
			}
			if d := time.Since(began); d > 1500*time.Millisecond { // on a busy machine
				t.Errorf("it ended after %v", d)
			}
			eventually(t, "all its processes have ended", func() bool { return !slices.ContainsFunc(family, alive) })
			if _, err := os.Stat(filepath.Join(dir, "pid")); err == nil {
				t.Error("its pidfile is left")
			}
		})
	}
}

func hangingApp(t *testing.T, config, app string) (dir string) {
	t.Helper()
	dir = t.TempDir()
	if !strings.Contains(app, "def application") {
		app += "\nfrom wsgi import application"
	}
	wsgi, err := os.ReadFile("testdata/app.py")
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{"spot.py": spot, "conf.py": config, "app.py": app, "wsgi.py": string(wsgi)} {
		put(t, filepath.Join(dir, name), text)
	}
	return dir
}

// descendants are the processes below one.
func descendants(t *testing.T, pid int) (all []int) {
	t.Helper()
	direct, _ := children(t, pid)
	for _, child := range direct {
		all = append(append(all, child), descendants(t, child)...)
	}
	return all
}

// Requests are still given up in time, and served, while a reload hangs.
func TestDeadlinesGoOnWhileAReloadHangs(t *testing.T) {
	for name, hang := range hangs {
		if hang.provoke == nil || !strings.Contains("the configuration on_reload pre_fork the application, as a template", name) {
			continue
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := hangingApp(t, hang.config, hang.app)
			args := append([]string{"--chdir", dir, "-c", filepath.Join(dir, "conf.py"), "--timeout", "1"}, hang.args...)
			s := start(t, options{args: args, env: []string{"PYTHONPATH=" + dir}})
			put(t, filepath.Join(dir, "hang"), "")
			hup(t, s)
			waitFile(t, filepath.Join(dir, "hangs"))
			ctx, cancel := context.WithTimeout(t.Context(), limit)
			defer cancel()
			r, err := http.NewRequestWithContext(ctx, "GET", "http://"+s.addr+"/wait?60", nil)
			if err != nil {
				t.Fatal(err)
			}
			began := time.Now()
			res, err := http.DefaultClient.Do(r)
			if err != nil {
				t.Fatal(err)
			}
			res.Body.Close()
			if d := time.Since(began); res.StatusCode != 504 || d > 3*time.Second {
				t.Errorf("%s after %v", res.Status, d)
			}
			s.get(t, "/")
		})
	}
}

// A stop takes the time that it may take once, whatever of it clients needed.
func TestAStopTakesGracefulTimeoutOnce(t *testing.T) {
	dir := t.TempDir()
	// A thread that the request has left behind keeps the worker from ending.
	put(t, filepath.Join(dir, "app.py"), `import sys, threading, time
def application(env, start):
    print("it runs", file=sys.stderr, flush=True)
    threading.Thread(target=time.sleep, args=(60,)).start()
    time.sleep(1.5)
    start("200 OK", [])
    return [b"served"]
`)
	s := start(t, options{args: []string{"--chdir", dir, "--graceful-timeout", "2"}})
	served := make(chan string, 1)
	go func() { served <- getFrom(t, "tcp", s.addr, "/") }()
	s.wait(t, "it runs")
	began := time.Now()
	_ = s.end(t, syscall.SIGTERM)
	if body := <-served; body != "served" {
		t.Errorf("the answer is %q", body)
	}
	if d := time.Since(began); d > 3*time.Second {
		t.Errorf("it took %v", d)
	}
}

// A reload never fails because its processes end beside the reaper's.
func TestFortyReloadsWithPreload(t *testing.T) {
	dir := hangingApp(t, "def on_reload(server): pass", "")
	s := start(t, options{args: []string{"--chdir", dir, "-c", filepath.Join(dir, "conf.py"), "--preload"}, env: []string{"PYTHONPATH=" + dir}})
	for range 40 {
		n := len(strings.Split(s.log(), "\n"))
		hup(t, s)
		s.waitAfter(t, "serves", n)
	}
	if log := s.log(); strings.Contains(log, "Reload failed") || strings.Contains(log, "child processes") {
		t.Error("a reload failed")
	}
}
