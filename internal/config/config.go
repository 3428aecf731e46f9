// Package config owns Girin's settings: one table of options ([Options]), from which
// the flags, the configuration file's names, the checks, the help text and
// docs/SETTINGS.md derive, and [Load], which resolves them into a [Config].
//
// Names, defaults and precedence are gunicorn's, so that a gunicorn command line and
// a gunicorn.conf.py keep their meaning. The package starts one process, the
// application's own Python, when there is a configuration file to read; it opens no
// sockets and no logs, and it does not know what the settings do.
package config

import (
	"fmt"
	"reflect"
	"slices"
	"time"

	"girin/internal/interpreter"
)

// Config is the resolved settings of one server. Fields are named after gunicorn's
// keys; the table's Doc of each says what zero means. A Config is not changed after Load.
type Config struct {
	// Application and configuration file.
	App         string   // module, module:attribute, module:factory(arguments) or, of a PasteDeploy file, config:/PATH#NAME
	Found       string   // file in which App was found, if nobody named one
	Paste       string   // as given: the PasteDeploy file of App
	PasteGlobal []string // KEY=VALUE, for it
	File        File     // the configuration file that was read
	FromFile    []string // settings that are the file's own objects
	Hooks       []string // server hooks that the file defines, in the table's order

	// Sockets.
	Bind      []string // see ParseAddress
	Backlog   int
	ReusePort bool

	// Workers.
	Workers           int    // for auto the most there may be; 0: as many as it finds good
	WorkerClass       string // auto, sync, gthread, gevent, gaiohttp or asgi
	Threads           int    // for auto the most of a worker; 0: as many as it finds good
	WorkerConnections int
	MaxRequests       int // 0: no limit
	MaxRequestsJitter int
	Timeout           time.Duration // 0: no limit
	GracefulTimeout   time.Duration
	ShutdownDelay     time.Duration
	KeepAlive         time.Duration // 0: connections are closed after each response
	QueueSize         int
	Accelerator       bool // the shim's inner loop may be the one in C
	GCFreeze          bool // what the import left is out of garbage collections

	// Limits.
	LimitRequestLine      int   // bytes; 0: no limit of its own
	LimitRequestFields    int   // count
	LimitRequestFieldSize int   // bytes; 0: no limit of its own
	LimitRequestBody      int64 // bytes; 0: no limit
	SpoolResponse         int64 // bytes; 0: none
	SpoolDir              string
	StreamRequests        []string // patterns of requests whose bodies come while the application runs

	// The application's process.
	Python       string // as given; see Interpreter
	Chdir        string // absolute
	PythonPath   []string
	RawEnv       []string // KEY=value
	User         string   // as given, "" to keep the current one
	Group        string
	UID          int // resolved from User and Group; the current ones if these are unset
	GID          int
	InitGroups   bool
	Umask        int
	PidFile      string
	ProcName     string
	TmpUploadDir string
	PreloadApp   bool
	Daemon       bool

	StdioInheritance bool // of a daemon

	Sidecars []string // as given; see ParseSidecars

	// What the front believes and answers.
	ForwardedAllowIPs   []string          // addresses, networks or "*"
	SecureSchemeHeaders map[string]string // upper-case field name to its value for https
	ForwarderHeaders    []string          // environ names, upper-case
	HeaderMap           string            // drop, refuse or dangerous
	ServerHeader        string            // "" for none
	ProxyProtocol       string            // off, v1, v2 or auto
	ProxyAllowIPs       []string          // addresses, networks or "*"
	SendFile            bool
	HealthCheckPath     string // "" for none
	LivenessCheckPath   string // "" for none
	ServerTiming        bool
	Metrics             string // address, "" for none

	// HTTP/2.
	HTTPProtocols      []string // h1, h2, the preferred one first
	HTTP2Clear         string
	HTTP2MaxStreams    int
	HTTP2Window        int // bytes
	HTTP2MaxFrame      int // bytes
	HTTP2MaxHeaderList int // bytes

	// ASGI.
	RootPath        string
	ASGISpec        string // 2.3 or 2.5
	ASGILoop        string // auto, asyncio or uvloop
	Lifespan        string // auto, on or off
	DisconnectGrace int    // s

	// WebSocket.
	WS                        string // auto or none
	MaxMessage                int64  // bytes; 0: no limit
	PingInterval, PingTimeout time.Duration
	WSMaxQueue                int64 // bytes
	WSDrain                   time.Duration
	WSDeflate                 bool

	// Jobs.
	Offload         []string // see package offload
	OffloadConnect  []string
	OffloadListen   string
	OffloadKey      string
	OffloadTLSCert  string
	OffloadTLSKey   string
	OffloadTLSCA    string
	OffloadDir      string
	OffloadSlots    int // -1: as many as there are cores
	OffloadVersion  string
	OffloadJobs     int
	OffloadMax      int64  // bytes; 0: see serve
	OffloadAuth     string // none, authorization or cookie:NAME
	OffloadCreds    string
	OffloadCluster  []string // this server's address, and the others'
	OffloadReplicas int      // 0: as they are
	OffloadKeep     time.Duration
	OffloadMove     time.Duration // 0: never
	Tasks           bool

	OffloadCallback        []string
	OffloadCallbackKey     string
	OffloadCallbackPrivate bool
	JobsPage               bool
	JobsPageHosts          []string
	NoBind                 bool

	// Memory.
	MaxWorkerMemory int64 // bytes; 0: no limit

	// TLS.
	CertFile string
	KeyFile  string
	CACerts  string
	CertReqs int // 0 none, 1 optional, 2 required (Python's ssl.VerifyMode)
	Ciphers  string

	// Logs.
	AccessLog       string // "" for none, "-" for standard output
	AccessLogFormat string
	ErrorLog        string // "-" for standard error
	LogLevel        string // debug, info, warning, error or critical
	CaptureOutput   bool
	Syslog          bool
	SyslogAddr      string
	SyslogPrefix    string // "": the name of the processes or the application
	SyslogFacility  string
	SyslogNoAccess  bool // keep the access log out of it
	LoggerClass     string
	StatsdHost      string // "" for none
	StatsdPrefix    string
	StatsdTags      string

	// Development.
	Reload           bool
	Debugger         bool
	ReloadEngine     string
	ReloadExtraFiles []string

	// What to do instead of serving.
	CheckConfig bool
	PrintConfig bool
	Help        bool
	Version     bool

	resolved map[string]setting // by key; what PrintConfig shows
}

// TLS reports whether connections are encrypted.
func (c *Config) TLS() bool { return c.CertFile != "" || c.KeyFile != "" }

// Interpreter is the choice of the Python that runs the application.
func (c *Config) Interpreter(getenv func(string) string) interpreter.Choice {
	return interpreter.Choice{Wanted: c.Python, Dir: c.Chdir, Getenv: getenv}
}

// Chosen reports whether somebody has set a setting, by its key.
func (c *Config) Chosen(key string) bool {
	s, ok := c.resolved[key]
	return ok && s.source != fromDefault
}

// LogConfig is the setting that configures Python's logging, of several the one that gunicorn
// prefers; "" if none does.
func (c *Config) LogConfig() string {
	for _, key := range []string{"logconfig_dict", "logconfig_json", "logconfig"} {
		if s := c.resolved[key]; s.source != fromDefault {
			if v := reflect.ValueOf(s.value); !v.IsZero() && (v.Kind() != reflect.Map || v.Len() > 0) {
				return key
			}
		}
	}
	return ""
}

// LogsInPython reports whether the settings give Python's logging the lines of the logs.
func (c *Config) LogsInPython() bool {
	return c.LogConfig() != "" || c.LoggerClass != "" && !slices.Contains(ownLoggers, c.LoggerClass)
}

// ownLoggers are gunicorn's loggers, in whose place the server writes its logs itself.
var ownLoggers = []string{defaultLogger, "gunicorn.instrument.statsd.Statsd", "simple"}

const defaultLogger = "gunicorn.glogging.Logger"

// Warning is something the user should be told once about a setting that has no effect, or a smaller one than under gunicorn.
type Warning struct {
	Key    string // the setting
	Source string // where it was set: "the command line", a file's name and so on
	Text   string // goes on after the name: "has no effect: ..."
}

func (w Warning) String() string {
	return fmt.Sprintf("%s (from %s) %s", w.Key, w.Source, w.Text)
}
