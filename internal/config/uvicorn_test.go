package config

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestUvicornsCommandLine(t *testing.T) {
	for name, test := range map[string]struct {
		sources
		get  func(*Config) any
		want any
	}{
		"host and port":           {sources{args: "a:b --host 0.0.0.0 --port 80"}, bound, "0.0.0.0:80"},
		"host alone":              {sources{args: "a:b --host 0.0.0.0", env: []string{"PORT=99"}}, bound, "0.0.0.0:8000"},
		"port alone":              {sources{args: "a:b --port=0"}, bound, "127.0.0.1:0"},
		"IPv6":                    {sources{args: "a:b --host ::"}, bound, "[::]:8000"},
		"over a file":             {sources{args: "a:b --port 80", file: "bind = ':81'"}, bound, "127.0.0.1:80"},
		"a file over variables":   {sources{args: "a:b", env: []string{"UVICORN_PORT=80"}, file: "bind = ':81'"}, bound, ":81"},
		"variables":               {sources{args: "a:b", env: []string{"UVICORN_PORT=80", "UVICORN_HOST=::1"}}, bound, "[::1]:80"},
		"one of each":             {sources{args: "a:b --port 81", env: []string{"UVICORN_PORT=80", "UVICORN_HOST=::1"}}, bound, "[::1]:81"},
		"-b over variables":       {sources{args: "a:b -b :82", env: []string{"UVICORN_PORT=80"}}, bound, ":82"},
		"uds":                     {sources{args: "a:b --uds /tmp/s"}, bound, "unix:/tmp/s"},
		"fd":                      {sources{args: "a:b --fd 3"}, bound, "fd://3"},
		"factory":                 {sources{args: "a:b --factory"}, func(c *Config) any { return c.App }, "a:b()"},
		"factory, before the app": {sources{args: "--factory a:b"}, func(c *Config) any { return c.App }, "a:b()"},
		"factory that is called":  {sources{args: "--factory a:b(1)"}, func(c *Config) any { return c.App }, "a:b(1)"},
		"factory by variables":    {sources{env: []string{"UVICORN_FACTORY=true", "UVICORN_APP=a:b"}}, func(c *Config) any { return c.App }, "a:b()"},
		"no factory by variables": {sources{env: []string{"UVICORN_FACTORY=0", "UVICORN_APP=a:b"}}, func(c *Config) any { return c.App }, "a:b"},
		"the command line's app":  {sources{args: "c:d", env: []string{"UVICORN_APP=a:b"}}, func(c *Config) any { return c.App }, "c:d"},
		"loop and lifespan":       {sources{args: "a:b --loop asyncio --lifespan on"}, func(c *Config) any { return c.ASGILoop + c.Lifespan }, "asyncioon"},
		"no proxies":              {sources{args: "a:b --no-proxy-headers"}, func(c *Config) any { return fmt.Sprint(c.ForwardedAllowIPs) }, "[none]"},
		"no proxies by variables": {sources{args: "a:b", env: []string{"UVICORN_PROXY_HEADERS=false"}}, func(c *Config) any { return fmt.Sprint(c.ForwardedAllowIPs) }, "[none]"},
		"access log":              {sources{args: "a:b --access-log"}, func(c *Config) any { return c.AccessLog }, "-"},
		"no access log":           {sources{args: "a:b --no-access-log", file: "accesslog = '-'"}, func(c *Config) any { return c.AccessLog }, ""},
		"proxies by variables":    {sources{args: "a:b", env: []string{"UVICORN_PROXY_HEADERS=on"}}, func(c *Config) any { return len(c.ForwardedAllowIPs) > 0 }, true},
		"access log by variables": {sources{args: "a:b", env: []string{"UVICORN_ACCESS_LOG=on"}}, func(c *Config) any { return c.AccessLog }, "-"},
		"no log by variables":     {sources{args: "a:b", env: []string{"UVICORN_ACCESS_LOG=off"}}, func(c *Config) any { return c.AccessLog }, ""},
		"no server by variables":  {sources{args: "a:b", env: []string{"UVICORN_SERVER_HEADER=0"}}, func(c *Config) any { return c.ServerHeader }, ""},
		"no server":               {sources{args: "a:b --no-server-header"}, func(c *Config) any { return c.ServerHeader }, ""},
		"limits":                  {sources{args: "a:b --limit-max-requests 5 --limit-max-requests-jitter 6 --limit-concurrency 7"}, func(c *Config) any { return c.MaxRequests*100 + c.MaxRequestsJitter*10 + c.WorkerConnections }, 567},
		"times":                   {sources{args: "a:b --timeout-keep-alive 5 --timeout-graceful-shutdown 6"}, func(c *Config) any { return c.KeepAlive + 10*c.GracefulTimeout }, 65 * time.Second},
		"messages":                {sources{args: "a:b --ws-max-size 99 --ws-per-message-deflate false"}, func(c *Config) any { return c.MaxMessage == 99 && !c.WSDeflate }, true},
		"workers by variables":    {sources{args: "a:b", env: []string{"UVICORN_WORKERS=3"}}, func(c *Config) any { return c.Workers }, 3},
		"reload by variables":     {sources{args: "a:b", env: []string{"UVICORN_RELOAD=1"}}, func(c *Config) any { return c.Reload }, true},
		"without effect":          {sources{args: "a:b --http h11 --ws websockets --interface asgi3 --use-colors --date-header --proxy-headers --reset-contextvars --reload-dir . --reload-dir x"}, bound, "127.0.0.1:8000"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cfg, _, err := load(t, test.sources)
			if err != nil {
				t.Fatal(err)
			}
			if got := test.get(cfg); got != test.want {
				t.Errorf("got %v, want %v", got, test.want)
			}
		})
	}
}

func bound(c *Config) any { return strings.Join(c.Bind, " ") }

func TestUvicornsFiles(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"c.pem", "k.pem"} {
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	args := strings.Fields("a:b --ssl-certfile c.pem --ssl-keyfile k.pem --ssl-ca-certs c.pem --ssl-cert-reqs 2 --ssl-ciphers HIGH --app-dir sub")
	cfg, warnings, err := loadFrom(t, t.Context(), args, environment(), dir)
	if err != nil {
		t.Fatal(err)
	}
	at := func(name string) string { return filepath.Join(dir, name) }
	if cfg.CertFile != at("c.pem") || cfg.KeyFile != at("k.pem") || cfg.CACerts != at("c.pem") || cfg.CertReqs != 2 || cfg.Ciphers != "HIGH" ||
		!slices.Equal(cfg.PythonPath, []string{at("sub")}) {
		t.Errorf("%+v", cfg)
	}
	if len(warnings) > 0 {
		t.Errorf("warnings: %v", warnings)
	}
}

func TestUvicornsOptionsThatCannotBe(t *testing.T) {
	for name, test := range map[string]struct {
		sources
		want string
	}{
		"both":               {sources{args: "a:b -b :1 --port 80"}, "--port: --bind says already where to listen (from the command line)"},
		"both of uvicorn":    {sources{args: "a:b --uds s --port 80"}, "--port: --uds says already where to listen (from the command line)"},
		"neither yes nor no": {sources{args: "a:b", env: []string{"UVICORN_RELOAD=maybe"}}, "--reload: 'maybe' is neither true nor false (from uvicorn's variables UVICORN_*)"},
		"no port":            {sources{args: "a:b --port web"}, "--port: "},
		"no loop":            {sources{args: "a:b --loop other"}, "--loop: 'other' is not one of auto, asyncio, uvloop (from the command line)"},
		"variable":           {sources{args: "a:b", env: []string{"UVICORN_WORKERS=many"}}, "--workers: 'many' is not a whole number (from uvicorn's variables UVICORN_*)"},
		"factory of none":    {sources{args: "a --factory"}, "--factory needs a function, MODULE:FUNCTION (from the command line)"},
		"fields":             {sources{args: "a:b --header Server:x"}, "--header: there is no such option; write nothing: middleware of the application adds fields"},
		"a key's password":   {sources{args: "a:b --ssl-keyfile-password x"}, "--ssl-keyfile-password: there is no such option; write --keyfile with a file that has none"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if _, _, err := load(t, test.sources); err == nil || !strings.HasPrefix(err.Error(), test.want) {
				t.Errorf("got  %v\nwant %v", err, test.want)
			}
		})
	}
}

func TestUvicornsOptionsAndVariablesWithoutEffectAreSaid(t *testing.T) {
	for name, test := range map[string]struct {
		sources
		want []string
	}{
		"options": {sources{args: "a:b --http h11 --limit-concurrency 5 --workers 2"}, []string{
			"--http (from the command line) has no effect: girin speaks HTTP itself",
			"--limit-concurrency (from the command line) counts for each worker, and requests beyond it wait",
		}},
		"variables": {sources{args: "a:b", env: []string{"UVICORN_ENV_FILE=.env", "UVICORN_SSL_KEYFILE_PASSWORD=secret"}}, []string{
			"UVICORN_ENV_FILE (from the environment) has no effect; write -e KEY=VALUE for each line of it",
			"UVICORN_SSL_KEYFILE_PASSWORD (from the environment) has no effect; write --keyfile with a file that has none: openssl pkey -in FILE -out OTHER",
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, warnings, err := load(t, test.sources)
			if err != nil {
				t.Fatal(err)
			}
			var said []string
			for _, w := range warnings {
				said = append(said, w.String())
			}
			if !slices.Equal(said, test.want) {
				t.Errorf("got  %q\nwant %q", said, test.want)
			}
		})
	}
}

// What uvicorn and gunicorn call the same is one option; the rest must be no option here.
func TestUvicornsOptionsAreNoOthers(t *testing.T) {
	ours := map[string]bool{}
	keys := byKey(Options())
	for _, o := range Options() {
		ours[o.Flag], ours[o.Alias] = true, true
	}
	for _, o := range uvicornOptions() {
		if ours[o.flag] {
			t.Errorf("--%s is an option here", o.flag)
		}
		if o.key != "" && keys[o.key] == nil {
			t.Errorf("--%s means %s, which is no setting", o.flag, o.key)
		}
	}
	for _, flag := range uvicornSame {
		if !ours[flag] {
			t.Errorf("--%s is no option here", flag)
		}
	}
}
