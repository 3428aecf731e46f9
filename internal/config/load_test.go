package config

import (
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"
)

// environment is what the tests run in: a Python, and nothing that stands in for settings.
func environment(extra ...string) []string {
	return append([]string{"PATH=" + os.Getenv("PATH"), "HOME=" + os.Getenv("HOME")}, extra...)
}

// sources are what Load is given, and the text of ./gunicorn.conf.py if there is any.
type sources struct {
	args string
	env  []string
	file string
}

func load(t *testing.T, s sources) (*Config, []Warning, error) {
	t.Helper()
	dir := t.TempDir()
	if s.file != "" {
		if err := os.WriteFile(filepath.Join(dir, defaultConfigFile), []byte(s.file), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return loadFrom(t, t.Context(), strings.Fields(s.args), environment(s.env...), dir)
}

func TestPrecedence(t *testing.T) {
	for name, test := range map[string]struct {
		sources
		want int // workers
	}{
		"gunicorn's default":          {sources{args: "app --threads 2"}, 1},
		"the environment":             {sources{args: "app", env: []string{"WEB_CONCURRENCY=2"}}, 2},
		"an empty variable is unset":  {sources{args: "app -k sync", env: []string{"WEB_CONCURRENCY="}}, 1},
		"file over environment":       {sources{args: "app", env: []string{"WEB_CONCURRENCY=2"}, file: "workers = 3"}, 3},
		"None in a file says nothing": {sources{args: "app", env: []string{"WEB_CONCURRENCY=2"}, file: "workers = None"}, 2},
		"GUNICORN_CMD_ARGS over file": {sources{args: "app", env: []string{"GUNICORN_CMD_ARGS=-w 4"}, file: "workers = 3"}, 4},
		"GIRIN_CMD_ARGS over that":    {sources{args: "app", env: []string{"GUNICORN_CMD_ARGS=-w 4", "GIRIN_CMD_ARGS=-w 5"}}, 5},
		"the command line over all":   {sources{args: "-w 6 app", env: []string{"GIRIN_CMD_ARGS=-w 5"}, file: "workers = 3"}, 6},
		"the last flag wins":          {sources{args: "-w 6 app --workers=7"}, 7},
		"the last variable wins":      {sources{args: "app", env: []string{"WEB_CONCURRENCY=2", "WEB_CONCURRENCY=3"}}, 3},
		"a flag without a space":      {sources{args: "app -w8"}, 8},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cfg, _, err := load(t, test.sources)
			if err != nil {
				t.Fatal(err)
			}
			if cfg.Workers != test.want {
				t.Errorf("%d workers, want %d", cfg.Workers, test.want)
			}
		})
	}
}

func TestWorkersAndThreads(t *testing.T) {
	for name, test := range map[string]struct {
		sources
		workers int
		class   string
		threads int
	}{
		"nothing chosen":         {sources{args: "app"}, 0, "auto", 0},
		"limits of auto":         {sources{args: "app -k auto -w 3 --threads 9"}, 3, "auto", 9},
		"workers chosen":         {sources{args: "app -w 3"}, 3, "sync", 1},
		"a limit of auto":        {sources{args: "app", env: []string{"WEB_CONCURRENCY=3"}}, 3, "auto", 0},
		"the limit one":          {sources{args: "app", env: []string{"WEB_CONCURRENCY=1"}}, 1, "auto", 0},
		"of a chosen class":      {sources{args: "app -k sync", env: []string{"WEB_CONCURRENCY=3"}}, 3, "sync", 1},
		"of chosen threads":      {sources{args: "app --threads 4", env: []string{"WEB_CONCURRENCY=3"}}, 3, "gthread", 4},
		"workers go before it":   {sources{args: "app -w 2", env: []string{"WEB_CONCURRENCY=3"}}, 2, "sync", 1},
		"class chosen":           {sources{args: "app -k gevent"}, 1, "gevent", 1},
		"threads make gthread":   {sources{args: "app --threads 4"}, 1, "gthread", 4},
		"one thread stays sync":  {sources{args: "app --threads 1"}, 1, "sync", 1},
		"gevent keeps its class": {sources{args: "app -k gevent --threads 4"}, 1, "gevent", 4},
		"dotted class":           {sources{args: "app -k gunicorn.workers.gthread.ThreadWorker"}, 1, "gthread", 1},
		"chosen in the file":     {sources{args: "app", file: "workers = 2\nthreads = 4"}, 2, "gthread", 4},
		"a class object":         {sources{args: "app", file: "class ThreadWorker: pass\nThreadWorker.__module__ = 'gunicorn.workers.gthread'\nworker_class = ThreadWorker"}, 1, "gthread", 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cfg, _, err := load(t, test.sources)
			if err != nil {
				t.Fatal(err)
			}
			if cfg.Workers != test.workers || cfg.WorkerClass != test.class || cfg.Threads != test.threads {
				t.Errorf("%d x %s x %d, want %d x %s x %d", cfg.Workers, cfg.WorkerClass, cfg.Threads, test.workers, test.class, test.threads)
			}
		})
	}
}

func TestDefaultsOfTheConfig(t *testing.T) {
	dir := t.TempDir()
	cfg, warnings, err := loadFrom(t, t.Context(), []string{"app:app", "-w", "1"}, environment(), dir)
	if err != nil || len(warnings) > 0 {
		t.Fatal(warnings, err)
	}
	cfg.resolved = nil
	want := &Config{
		App: "app:app", PasteGlobal: []string{}, Bind: []string{"127.0.0.1:8000"}, Backlog: 2048,
		Workers: 1, WorkerClass: "sync", Threads: 1, WorkerConnections: 1000, QueueSize: 2048,
		Timeout: 30 * time.Second, GracefulTimeout: 30 * time.Second, KeepAlive: 2 * time.Second,
		LimitRequestLine: 4094, LimitRequestFields: 100, LimitRequestFieldSize: 8190, LimitRequestBody: 1 << 30, SpoolResponse: 1 << 30, StreamRequests: []string{},
		Chdir: dir, RawEnv: []string{}, UID: os.Geteuid(), GID: os.Getegid(),
		ForwardedAllowIPs: []string{"127.0.0.1", "::1"}, ProxyAllowIPs: []string{"127.0.0.1", "::1"},
		SecureSchemeHeaders: map[string]string{"X-FORWARDED-PROTOCOL": "ssl", "X-FORWARDED-PROTO": "https", "X-FORWARDED-SSL": "on"},
		ForwarderHeaders:    []string{"SCRIPT_NAME", "PATH_INFO"}, HeaderMap: "drop", ServerHeader: "girin", ProxyProtocol: "off", SendFile: true, Accelerator: true, GCFreeze: true,
		AccessLogFormat: `%(h)s %(l)s %(u)s %(t)s "%(r)s" %(s)s %(b)s "%(f)s" "%(a)s"`, ErrorLog: "-", LogLevel: "info", SyslogAddr: "udp://localhost:514", SyslogFacility: "user",
		HTTPProtocols: []string{"h1"}, HTTP2Clear: "off", HTTP2MaxStreams: 100, HTTP2Window: 65535, HTTP2MaxFrame: 16384, HTTP2MaxHeaderList: 65536,
		ReloadEngine: "auto", ReloadExtraFiles: []string{}, LoggerClass: defaultLogger, Sidecars: []string{}, Offload: []string{}, OffloadConnect: []string{}, OffloadCallback: []string{}, JobsPageHosts: []string{}, OffloadSlots: -1, OffloadJobs: 10000, OffloadAuth: "authorization", OffloadCluster: []string{}, OffloadKeep: time.Hour, OffloadMove: time.Minute,
		ASGILoop: "auto", Lifespan: "auto", DisconnectGrace: 3, ASGISpec: "2.3",
		WS: "auto", MaxMessage: 16 << 20, PingInterval: 20 * time.Second, PingTimeout: 20 * time.Second, WSMaxQueue: 64 << 10, WSDrain: 2 * time.Second, WSDeflate: true,
	}
	if !reflect.DeepEqual(cfg, want) {
		t.Errorf("got  %+v\nwant %+v", cfg, want)
	}
}

func TestSettings(t *testing.T) {
	for name, test := range map[string]struct {
		sources
		get  func(*Config) any
		want any
	}{
		"several binds":          {sources{args: "-b :1 app --bind unix:x"}, func(c *Config) any { return c.Bind }, []string{":1", "unix:x"}},
		"beginning of a flag":    {sources{args: "app --graceful 2"}, func(c *Config) any { return c.GracefulTimeout }, 2 * time.Second},
		"beginning with a value": {sources{args: "app --max_requests_j=2"}, func(c *Config) any { return c.MaxRequestsJitter }, 2},
		"beginning of an alias":  {sources{args: "app --error-log /x"}, func(c *Config) any { return c.ErrorLog }, "/x"},
		"PORT":                   {sources{args: "app", env: []string{"PORT=5000"}}, func(c *Config) any { return c.Bind }, []string{"0.0.0.0:5000"}},
		"bind over PORT":         {sources{args: "app -b :1", env: []string{"PORT=5000"}}, func(c *Config) any { return c.Bind }, []string{":1"}},
		"a higher source's list": {sources{args: "app -b :1", file: "bind = [':2', ':3']"}, func(c *Config) any { return c.Bind }, []string{":1"}},
		"bind as text in a file": {sources{args: "app", file: "bind = ':2'"}, func(c *Config) any { return c.Bind }, []string{":2"}},
		"app in a file":          {sources{file: "wsgi_app = 'a:b'"}, func(c *Config) any { return c.App }, "a:b"},
		"app on both":            {sources{args: "c:d", file: "wsgi_app = 'a:b'"}, func(c *Config) any { return c.App }, "c:d"},
		"a factory":              {sources{args: "app:make('x')"}, func(c *Config) any { return c.App }, "app:make('x')"},
		"CMD_ARGS names no app":  {sources{args: "a", env: []string{"GUNICORN_CMD_ARGS=b"}}, func(c *Config) any { return c.App }, "a"},
		"flag with underscores":  {sources{args: "app --limit_request_field-size 9"}, func(c *Config) any { return c.LimitRequestFieldSize }, 9},
		"alias":                  {sources{args: "app --log-file /x"}, func(c *Config) any { return c.ErrorLog }, "/x"},
		"sendfile off":           {sources{args: "app --no-sendfile"}, func(c *Config) any { return c.SendFile }, false},
		"accelerator off":        {sources{args: "app --no-accelerator"}, func(c *Config) any { return c.Accelerator }, false},
		"gc.freeze off":          {sources{args: "app --no-gc-freeze"}, func(c *Config) any { return c.GCFreeze }, false},
		"another log level":      {sources{args: "app --log-level warn"}, func(c *Config) any { return c.LogLevel }, "info"},
		"no log level":           {sources{args: "app --log-level="}, func(c *Config) any { return c.LogLevel }, "info"},
		"debugger: class":        {sources{args: "app -k gevent -w 4 --debugger"}, func(c *Config) any { return c.WorkerClass }, "sync"},
		"debugger: workers":      {sources{args: "app -k gevent -w 4 --debugger"}, func(c *Config) any { return c.Workers }, 1},
		"debugger: timeout":      {sources{args: "app -t 5 --debugger"}, func(c *Config) any { return c.Timeout }, time.Duration(0)},
		"sendfile by SENDFILE":   {sources{args: "app", env: []string{"SENDFILE=no"}}, func(c *Config) any { return c.SendFile }, false},
		"sendfile in a file":     {sources{args: "app", file: "sendfile = False"}, func(c *Config) any { return c.SendFile }, false},
		"sendfile over SENDFILE": {sources{args: "app", env: []string{"SENDFILE=no"}, file: "sendfile = True"}, func(c *Config) any { return c.SendFile }, true},
		"PROXY before the app":   {sources{args: "--proxy-protocol app"}, func(c *Config) any { return c.ProxyProtocol }, "auto"},
		"PROXY with a value":     {sources{args: "--proxy-protocol v1 app"}, func(c *Config) any { return c.ProxyProtocol }, "v1"},
		"PROXY in a file":        {sources{args: "app", file: "proxy_protocol = True"}, func(c *Config) any { return c.ProxyProtocol }, "auto"},
		"FORWARDED_ALLOW_IPS":    {sources{args: "app", env: []string{"FORWARDED_ALLOW_IPS=10.0.0.0/8"}}, func(c *Config) any { return c.ForwardedAllowIPs }, []string{"10.0.0.0/8"}},
		"upper-case fields":      {sources{args: "app", file: "secure_scheme_headers = {'x-a': 'on'}"}, func(c *Config) any { return c.SecureSchemeHeaders }, map[string]string{"X-A": "on"}},
		"umask in a file":        {sources{args: "app", file: "umask = 0o022"}, func(c *Config) any { return c.Umask }, 18},
		"decimal seconds":        {sources{args: "app", file: "timeout = 0.5"}, func(c *Config) any { return c.Timeout }, 500 * time.Millisecond},
		"a user by number":       {sources{args: "app", file: "user = 1234"}, func(c *Config) any { return c.UID }, 1234},
		"a path object":          {sources{args: "app", file: "import pathlib\npidfile = pathlib.Path('/run/x')"}, func(c *Config) any { return c.PidFile }, "/run/x"},
		"preload":                {sources{args: "app --preload"}, func(c *Config) any { return c.PreloadApp }, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cfg, _, err := load(t, test.sources)
			if err != nil {
				t.Fatal(err)
			}
			if got := test.get(cfg); !reflect.DeepEqual(got, test.want) {
				t.Errorf("got %#v, want %#v", got, test.want)
			}
		})
	}
}

func TestErrorsNameKeyValueAndSource(t *testing.T) {
	for name, test := range map[string]struct {
		sources
		want  string
		usage bool
	}{
		"command line":      {sources{args: "app --workers many"}, "--workers: 'many' is not a whole number (from the command line)", true},
		"cmd args":          {sources{args: "app", env: []string{"GUNICORN_CMD_ARGS=-w many"}}, "--workers: 'many' is not a whole number (from GUNICORN_CMD_ARGS)", true},
		"environment":       {sources{args: "app", env: []string{"WEB_CONCURRENCY=many"}}, "workers: 'many' is not a whole number (from $WEB_CONCURRENCY)", false},
		"file":              {sources{args: "app", file: "workers = 'many'"}, "workers: 'many' is not a whole number (from gunicorn.conf.py)", false},
		"a lower source":    {sources{args: "app -w 2", file: "workers = 'many'"}, "workers: 'many' is not a whole number (from gunicorn.conf.py)", false},
		"typo":              {sources{args: "app --workres 2"}, "--workres: there is no such option; did you mean --workers? (from the command line)", true},
		"a key for a flag":  {sources{args: "app --accesslog -"}, "--accesslog: there is no such option; did you mean --access-logfile? (from the command line)", true},
		"beginning of two":  {sources{args: "app --work 2"}, "--work: there is no such option; did you mean --workers? (from the command line)", true},
		"beginning of ours": {sources{args: "app --jobs-pa x"}, "--jobs-pa: there is no such option; did you mean --jobs-page? (from the command line)", true},
		"of Granian":        {sources{args: "app --blocking-threads 4"}, "--blocking-threads: there is no such option; write --threads NUMBER (from the command line)", true},
		"nothing like it":   {sources{args: "app --xyzzy"}, "--xyzzy: there is no such option (from the command line)", true},
		"short":             {sources{args: "app -x"}, "-x: there is no such option (from the command line)", true},
		"no value":          {sources{args: "app --workers"}, "--workers: a value is missing (from the command line)", true},
		"two apps":          {sources{args: "app other"}, "'other': one application is enough, and it is 'app' (from the command line)", true},
		"open quote":        {sources{args: "app", env: []string{"GIRIN_CMD_ARGS=-e 'a"}}, "a single quote is not closed (from GIRIN_CMD_ARGS)", true},
		"not built":         {sources{args: "app --protocol uwsgi"}, "--protocol: not built yet; it must be left out (from the command line)", true},
		"no paste file":     {sources{args: "--paste /no/such.ini"}, "--paste: open /no/such.ini: no such file or directory (from the command line)", true},
		"hook":              {sources{args: "app", file: "post_fork = 3"}, "post_fork: 3 is not a function (from gunicorn.conf.py)", false},
		"two at once":       {sources{args: "app -w x -t y"}, "--workers: 'x' is not a whole number (from the command line)\n--timeout: 'y' is not a number of seconds (from the command line)", true},
		"chdir":             {sources{args: "app --chdir /no/such"}, "--chdir: '/no/such' is not a directory (from the command line)", true},
		"key alone":         {sources{args: "app --keyfile x"}, "--keyfile: a key needs a certificate: certfile is not set (from the command line)", true},
		"no authority":      {sources{args: "app", file: "cert_reqs = 2"}, "cert_reqs: clients' certificates need an authority: ca_certs is not set (from gunicorn.conf.py)", false},
		"no certificate":    {sources{args: "app --certfile /no/such"}, "--certfile: open /no/such: no such file or directory (from the command line)", true},
		"no app":            {sources{}, ErrNoApp.Error(), false},
		"no file":           {sources{args: "app -c /no/such.py"}, "the configuration file /no/such.py: there is no such file", false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, _, err := load(t, test.sources)
			if err == nil {
				t.Fatal("no error")
			}
			if err.Error() != test.want {
				t.Errorf("got  %v\nwant %v", err, test.want)
			}
			var e *Error
			if usage := errors.As(err, &e) && e.Usage; usage != test.usage {
				t.Errorf("usage error: %v, want %v", usage, test.usage)
			}
		})
	}
}

func TestWarnings(t *testing.T) {
	for name, test := range map[string]struct {
		sources
		want string // beginning
	}{
		"not applicable":      {sources{args: "app", file: "worker_tmp_dir = '/dev/shm'"}, "worker_tmp_dir (from gunicorn.conf.py) has no effect: workers show"},
		"by flag":             {sources{args: "app --spew"}, "--spew (from the command line) has no effect: "},
		"said twice":          {sources{args: "app --spew", file: "spew = True"}, "--spew (from the command line) has no effect: "},
		"set to its default":  {sources{args: "app", file: "spew = False"}, ""},
		"another gevent":      {sources{args: "app -k gevent_wsgi"}, "--worker-class (from the command line) means gevent: "},
		"a typo in a file":    {sources{args: "app", file: "log_level = 'debug'"}, "log_level (from gunicorn.conf.py) is not a setting; did you mean loglevel?"},
		"variables of a file": {sources{args: "app", file: "import os\ncores = os.cpu_count()\nhost = 'x'\nversion = '1.2'\n_worker = 1\nworkers = cores\nworker = 2"}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, warnings, err := load(t, test.sources)
			if err != nil {
				t.Fatal(err)
			}
			if test.want == "" {
				if len(warnings) != 0 {
					t.Errorf("warned: %v", warnings)
				}
				return
			}
			if len(warnings) != 1 || !strings.HasPrefix(warnings[0].String(), test.want) {
				t.Errorf("got %v, want %q", warnings, test.want)
			}
		})
	}
}

func TestPathsStartInChdir(t *testing.T) {
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "site"), 0o700); err != nil {
		t.Fatal(err)
	}
	args := strings.Fields("app --chdir site -p run/pid --error-logfile err.log --access-logfile - --pythonpath lib,/x -b unix:s.sock -b :1 --reload-extra-file t/*.html")
	cfg, _, err := loadFrom(t, t.Context(), args, environment(), dir)
	if err != nil {
		t.Fatal(err)
	}
	site := filepath.Join(dir, "site")
	for _, pair := range [][2]any{
		{cfg.Chdir, site},
		{cfg.PidFile, site + "/run/pid"},
		{cfg.ErrorLog, site + "/err.log"},
		{cfg.AccessLog, "-"},
		{cfg.PythonPath, []string{site + "/lib", "/x"}},
		{cfg.ReloadExtraFiles, []string{site + "/t/*.html"}},
	} {
		if !reflect.DeepEqual(pair[0], pair[1]) {
			t.Errorf("got %v, want %v", pair[0], pair[1])
		}
	}
	addresses, err := cfg.Addresses()
	want := []Address{{Network: "unix", Addr: site + "/s.sock"}, {Network: "tcp", Addr: ":1"}}
	if err != nil || !reflect.DeepEqual(addresses, want) {
		t.Errorf("got %v, %v, want %v", addresses, err, want)
	}
}

func TestHelpAndVersionLookAtNothingElse(t *testing.T) {
	broken := []string{"GUNICORN_CMD_ARGS=--no-such", "WEB_CONCURRENCY=many"}
	for _, args := range []string{"--help", "-h", "app -w many --help", "--version", "-v"} {
		cfg, _, err := load(t, sources{args: args, env: broken, file: "1/0"})
		if err != nil {
			t.Fatal(err)
		}
		if cfg.Help == cfg.Version {
			t.Errorf("%s: help %v, version %v", args, cfg.Help, cfg.Version)
		}
	}
}

func TestHooksOfTheConfigurationFile(t *testing.T) {
	cfg, _, err := load(t, sources{args: "app -t 1.5 -k sync", file: `
class Hook:
    def __call__(self, server):
        pass
def post_fork(server, worker):
    pass
on_exit = Hook()
when_ready = None
`})
	if err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(cfg.Hooks, " "); got != "post_fork on_exit" {
		t.Errorf("hooks are %s", got)
	}
	values := cfg.Values()
	for key, want := range map[string]any{
		"timeout": 1.5, "graceful_timeout": int64(30), "worker_class_str": "sync", "post_fork": nil,
	} {
		if values[key] != want {
			t.Errorf("%s is %v (%T), want %v", key, values[key], values[key], want)
		}
	}
}
