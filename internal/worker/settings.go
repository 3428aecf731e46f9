package worker

// Settings are what a worker is told in its Hello.
type Settings struct {
	Version      int                 `json:"version"`
	App          string              `json:"app"`
	PasteGlobal  []string            `json:"paste_global,omitempty"` // KEY=VALUE, where App is a PasteDeploy file
	Class        string              `json:"class"`
	Threads      int                 `json:"threads"`
	Connections  int                 `json:"connections"`
	Argv         []string            `json:"argv"`
	Chdir        string              `json:"chdir"`
	PythonPath   []string            `json:"pythonpath"`
	ProcName     string              `json:"proc_name"`
	Bases        []map[string]string `json:"bases"`
	Unix         []string            `json:"unix,omitempty"` // the paths of those bases that are unix sockets
	Lanes        int                 `json:"lanes"`
	Multiprocess bool                `json:"multiprocess"`
	Sessions     bool                `json:"sessions"` // tell who keeps clients' sessions in the process
	Capture      bool                `json:"capture"`
	SwitchMS     float64             `json:"switch_interval_ms,omitempty"` // sys.setswitchinterval; 0: Python's own
	LogLevel     string              `json:"loglevel,omitempty"`           // of the logger gunicorn.error
	GCFreeze     bool                `json:"gc_freeze,omitempty"`
	LogEnviron   []string            `json:"log_environ,omitempty"`  // variables that go with a head, for the access log
	LogChanges   []string            `json:"log_changes,omitempty"`  // variables that go with a head if the application has changed them
	Jobs         string              `json:"jobs,omitempty"`         // the socket of $GIRIN_JOBS; empty: there is none
	Lifetime     int                 `json:"lifetime,omitempty"`     // requests until it is spent; 0: for ever
	Accelerators map[string]int      `json:"accelerators,omitempty"` // descriptors by tag; Start sets it

	// Of the class asgi.
	ASGISpec        string  `json:"asgi_spec,omitempty"`
	ASGILoop        string  `json:"asgi_loop,omitempty"`
	Lifespan        string  `json:"lifespan,omitempty"`
	DisconnectGrace float64 `json:"disconnect_grace,omitempty"` // s
	GracefulTimeout float64 `json:"graceful_timeout,omitempty"` // s
	WSDrain         float64 `json:"ws_drain,omitempty"`         // s

	Age   int      `json:"age,omitempty"`   // counts a server's workers from 1
	Hooks []string `json:"hooks,omitempty"` // those of the configuration file that run there

	// For a process that is not forked from one that has the file.
	ConfigFile string         `json:"config_file,omitempty"`
	FromFile   []string       `json:"from_file,omitempty"` // settings that are the file's own objects
	Cfg        map[string]any `json:"cfg,omitempty"`       // the settings, for server.cfg and worker.cfg
}

// Slots is how many requests such a worker runs at once.
func (s *Settings) Slots() int {
	switch s.Class {
	case "gthread":
		return s.Threads
	case "gevent", "asgi":
		return s.Connections
	}
	return 1
}

// room is for how many slots the state page has cells: a worker that finds an ASGI
// application has those of the class asgi.
func (s *Settings) room() int { return max(s.Slots(), s.Connections) }

// Facts are what a worker says when it is ready.
type Facts struct {
	PID            int               `json:"pid"`
	Python         string            `json:"python"`
	Implementation string            `json:"implementation"`
	Interface      string            `json:"interface"` // of the application: wsgi or asgi
	GIL            bool              `json:"gil"`
	FreeThreaded   bool              `json:"free_threaded"` // it was built to run without one
	Modules        map[string]string `json:"modules"`
	ImportMS       float64           `json:"import_ms"`
	DumpSignal     int               `json:"dump_signal"` // makes faulthandler write all stacks
	Accelerator    string            `json:"accelerator"` // the build that runs; empty: the shim in Python, because of
	NoAccelerator  string            `json:"no_accelerator"`
	ScriptName     string            `json:"script_name"`    // $SCRIPT_NAME there: where the application is mounted
	KeepsSessions  string            `json:"keeps_sessions"` // who keeps clients' sessions in the process, if the server chooses how many there are; see the shim's sessions.py
}

// ASGI reports whether the application speaks ASGI.
func (f *Facts) ASGI() bool { return f.Interface == "asgi" }

// Broken says why an application cannot be served.
type Broken struct {
	Code int    `json:"code"` // the exit code that gunicorn has for it
	Text string `json:"text"`
}

func (b *Broken) Error() string { return b.Text }
