package arbiter_test

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"girin/internal/arbiter"
	"girin/internal/proc"
	"girin/internal/shim"
	"girin/internal/wire"
	"girin/internal/worker"
)

func TestMain(m *testing.M) {
	if err := proc.AdoptOrphans(); err != nil {
		panic(err)
	}
	goleak.VerifyTestMain(m)
}

// patience of hooks that others wait for.
const patience = time.Second

// record is what was said, in order.
type record struct {
	mu    sync.Mutex
	lines []string // guarded by mu
}

func (r *record) add(format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.lines = append(r.lines, fmt.Sprintf(format, args...))
}

func (r *record) String() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return strings.Join(r.lines, "\n")
}

// until waits for a text.
func (r *record) until(t *testing.T, text string) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !strings.Contains(r.String(), text); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%q was not said within 20 s, but\n%s", text, r)
		}
	}
}

// file is a configuration file and the arbiter that runs it.
type file struct {
	*arbiter.Arbiter
	record
	t       *testing.T
	python  string
	path    string
	starter *proc.Starter
}

// newFile makes an arbiter that has run nothing yet.
func newFile(t *testing.T) *file {
	t.Helper()
	python, err := exec.LookPath("python3")
	if err != nil {
		t.Fatal(err)
	}
	archive, err := shim.Archive("")
	if err != nil {
		t.Fatal(err)
	}
	f := &file{t: t, python: python, path: filepath.Join(t.TempDir(), "gunicorn.conf.py"), starter: proc.NewStarter()}
	t.Cleanup(f.starter.Close)
	f.Arbiter = arbiter.New(arbiter.Config{
		Starter: f.starter, Args: shim.ArbiterArgs(), Env: os.Environ(), Shim: archive, Patience: patience,
	})
	f.Attach(arbiter.Master{
		Log: func(level, pid int, text string) { f.add("%d %s", level, text) },
		Failed: func(hook string, err error) {
			last := strings.Split(err.Error(), "\n")
			f.add("%s failed: %s", hook, last[len(last)-1])
		},
	})
	t.Cleanup(func() { f.Close(context.Background()) })
	return f
}

func (f *file) place() arbiter.File {
	return arbiter.File{Python: f.python, Dir: filepath.Dir(f.path), Location: f.path, Keys: []string{"workers", "bind", "raw_env"}}
}

// load runs a text as the file.
func (f *file) load(text string) (json.RawMessage, error) {
	if err := os.WriteFile(f.path, []byte(text), 0o600); err != nil {
		f.t.Fatal(err)
	}
	values, _, err := f.Load(context.Background(), f.place())
	return values, err
}

// configure makes the last that was loaded take effect.
func (f *file) configure() (serial int, err error) {
	dir := filepath.Dir(f.path)
	made, err := f.Configure(context.Background(), f.place(), arbiter.Setup{Python: f.python, Dir: dir, Settings: worker.Settings{
		Version: wire.Version, App: "app", Class: "sync", Chdir: dir, LogLevel: "info",
		Cfg: map[string]any{
			"workers": 2, "timeout": 30, "max_requests": 0, "loglevel": "info", "bind": []string{"127.0.0.1:8000"},
			"logconfig": nil, "logconfig_dict": nil, "logconfig_json": nil, "logger_class": nil, "accesslog": nil, "wsgi_app": "app",
			"syslog": false, "proc_name": nil, "raw_env": nil,
		},
	}})
	return made.Serial, err
}

// begin loads and configures a file.
func begin(t *testing.T, text string) (*file, int) {
	t.Helper()
	f := newFile(t)
	if _, err := f.load(text); err != nil {
		t.Fatal(err)
	}
	serial, err := f.configure()
	if err != nil {
		t.Fatal(err)
	}
	return f, serial
}

func (f *file) run(e arbiter.Event) error {
	f.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	return f.Run(ctx, e)
}
