package config

import (
	"time"

	"girin/internal/logs"
)

func applicationOptions() []Option {
	return section("Application", []Option{
		{Key: "wsgi_app", Kind: String, Meta: "APP",
			Doc:   "The application: module, module:attribute or module:factory('argument'). The attribute is `application` if none is given. Usually given as the command line's only argument, which takes precedence. If none is given, one is looked for in app.py, main.py, wsgi.py, the project of manage.py and asgi.py, and the log says which it is.",
			field: func(c *Config) any { return &c.App }},
		{Key: "config", Flag: "config", Short: "c", Kind: String, Meta: "FILE", Default: "./" + defaultConfigFile,
			Doc: "The configuration file: Python source whose variables are named like the settings, run by the application's Python. Also file:PATH or python:MODULE. The default is read only if it exists."},
		{Key: "python", Flag: "python", Kind: String, Meta: "PATH", Own: true,
			Doc:   "The Python interpreter that runs the application. By default that of the virtual environment girin is installed in, else of $VIRTUAL_ENV, else of .venv or venv in the working directory, else the one that girin was installed for, else python3 from $PATH. An environment that pipx or uv made for girin alone comes after .venv and venv.",
			field: func(c *Config) any { return &c.Python }},
		{Key: "chdir", Flag: "chdir", Kind: String, Meta: "DIR",
			Doc:   "Change to this directory before the application is imported. Relative paths of all other settings start there; the configuration file's own does not. By default the current directory.",
			field: func(c *Config) any { return &c.Chdir }},
		{Key: "pythonpath", Flag: "pythonpath", Kind: Commas, Meta: "DIRS",
			Doc:   "Directories to put in front of Python's module search path, separated by commas.",
			field: func(c *Config) any { return &c.PythonPath }},
		{Key: "raw_env", Flag: "env", Short: "e", Kind: List, Meta: "KEY=VALUE", Default: []string{}, check: checkEnv,
			Doc:   "An environment variable for the application. May be repeated.",
			field: func(c *Config) any { return &c.RawEnv }},
	})
}

func socketOptions() []Option {
	return section("Sockets", []Option{
		{Key: "bind", Flag: "bind", Short: "b", Kind: List, Meta: "ADDRESS", Default: []string{"127.0.0.1:8000"}, Env: "PORT", fromEnv: fromPort, check: checkAddresses,
			Doc:   "Where to listen: HOST, HOST:PORT, [IPv6]:PORT, unix:PATH or fd://N. May be repeated. If it is not given and $PORT is set, 0.0.0.0:$PORT.",
			field: func(c *Config) any { return &c.Bind }},
		{Key: "backlog", Flag: "backlog", Kind: Int, Meta: "INT", Default: int64(2048),
			Doc:   "How many connections may wait in the kernel to be accepted.",
			field: func(c *Config) any { return &c.Backlog }},
		{Key: "reuse_port", Flag: "reuse-port", Kind: Bool, Default: false,
			Doc:   "Set SO_REUSEPORT on listening sockets.",
			field: func(c *Config) any { return &c.ReusePort }},
	})
}

func workerOptions() []Option {
	return section("Workers", []Option{
		{Key: "workers", Flag: "workers", Short: "w", Kind: Int, Meta: "INT", Default: int64(1), Env: "WEB_CONCURRENCY", check: atLeast(1),
			DefaultText: "1, under auto at first cores + 1 and at most 2 x cores + 1",
			Doc:         "How many worker processes run; for the class auto, at most. $WEB_CONCURRENCY, which platforms set, says how many but chooses no class: alone it is an upper limit for auto.",
			field:       func(c *Config) any { return &c.Workers }, tuned: tunedWorkers},
		{Key: "worker_class", Flag: "worker-class", Short: "k", Kind: Class, Meta: "CLASS", Default: "sync", check: checkWorkerClass,
			DefaultText: "auto, or sync where workers or threads is set",
			Doc:         "How a worker runs requests: auto, as each needs, with as many processes and threads as the load needs; sync, one at a time; gthread, in threads; gevent, in greenlets; gaiohttp, one at a time on the thread of an asyncio loop, so that Django's ORM then needs DJANGO_ALLOW_ASYNC_UNSAFE=1. sync with more than one thread is gthread. If none of workers, threads and worker_class is set, it is auto.",
			field:       func(c *Config) any { return &c.WorkerClass }, tuned: tunedClasses},
		{Key: "threads", Flag: "threads", Kind: Int, Meta: "INT", Default: int64(1), check: atLeast(1),
			DefaultText: "1, under auto 128",
			Doc:         "How many threads of each worker run requests; for the class auto, at most. -w W --threads T runs W*T requests at once.",
			field:       func(c *Config) any { return &c.Threads }, tuned: tunedThreads},
		{Key: "worker_connections", Flag: "worker-connections", Kind: Int, Meta: "INT", Default: int64(1000), check: atLeast(1),
			Doc:   "How many requests a gevent worker runs at once.",
			field: func(c *Config) any { return &c.WorkerConnections }},
		{Key: "timeout", Flag: "timeout", Short: "t", Kind: Seconds, Meta: "SECONDS", Default: 30 * time.Second,
			Doc:   "How long a request may run before its response begins, and between two parts of it; then 504, and the stuck thread's process is replaced. 0 is no limit. The import of the application has a minute at least, and as long as it computes.",
			field: func(c *Config) any { return &c.Timeout }},
		{Key: "graceful_timeout", Flag: "graceful-timeout", Kind: Seconds, Meta: "SECONDS", Default: 30 * time.Second,
			Doc:   "How long running requests may take to finish when workers are stopped or replaced, and how long a stop of the server takes at most: whatever hangs is left then. Only the last hooks, on_exit above all, have a second more.",
			field: func(c *Config) any { return &c.GracefulTimeout }},
		{Key: "shutdown_delay", Flag: "shutdown-delay", Kind: Seconds, Meta: "SECONDS", Default: time.Duration(0), Own: true,
			Doc:   "How long the server goes on after TERM before it takes no more connections, so that whoever routes requests to it learns of it: health_check_path answers 503 at once, each response closes its connection. graceful_timeout counts from then. A second signal cuts it short.",
			field: func(c *Config) any { return &c.ShutdownDelay }},
		{Key: "keepalive", Flag: "keep-alive", Kind: Seconds, Meta: "SECONDS", Default: 2 * time.Second,
			Doc:   "How long an idle connection is kept open for its next request. 0 closes it after each response.",
			field: func(c *Config) any { return &c.KeepAlive }},
		{Key: "max_requests", Flag: "max-requests", Kind: Int, Meta: "INT", Default: int64(0),
			Doc:   "Replace a worker after this many requests. 0 never does. Up to 100 the number is exact, and requests wait until the next worker is ready; with more the next worker is started first, and the old one goes on until it is ready.",
			field: func(c *Config) any { return &c.MaxRequests }},
		{Key: "max_requests_jitter", Flag: "max-requests-jitter", Kind: Int, Meta: "INT", Default: int64(0),
			Doc:   "Add a random number of requests up to this one to max_requests, so that workers are not replaced at the same moment.",
			field: func(c *Config) any { return &c.MaxRequestsJitter }},
		{Key: "accelerator", Flag: "no-accelerator", Kind: Off, Default: true, Own: true,
			Doc:   "Use the shim in Python even where its inner loop in C was built for the interpreter.",
			field: func(c *Config) any { return &c.Accelerator }},
		{Key: "gc_freeze", Flag: "no-gc-freeze", Kind: Off, Default: true, Own: true,
			Doc:   "Let Python's garbage collector look through what the application's import has left as well, at each full collection. By default it does not (gc.freeze): its pauses are shorter, and forked workers share more memory.",
			field: func(c *Config) any { return &c.GCFreeze }},
		{Key: "queue_size", Flag: "queue-size", Kind: Int, Meta: "INT", Default: int64(2048), Own: true, check: atLeast(1),
			Doc:   "How many requests may wait for a free thread. Further ones are answered with 503.",
			field: func(c *Config) any { return &c.QueueSize }},
		{Key: "max_worker_memory", Flag: "max-worker-memory", Kind: Size, Meta: "BYTES", Default: int64(0), Own: true,
			Doc:   "Replace a worker whose private memory exceeds this. 0 never does. K, M and G may follow the number.",
			field: func(c *Config) any { return &c.MaxWorkerMemory }},
	})
}

func limitOptions() []Option {
	return section("Limits", []Option{
		{Key: "limit_request_line", Flag: "limit-request-line", Kind: Int, Meta: "BYTES", Default: int64(4094),
			Doc:   "The longest request line; beyond it the answer is 414. 0 is no limit of its own: 64 KiB, as for ASGI applications where this is not set.",
			field: func(c *Config) any { return &c.LimitRequestLine }},
		{Key: "limit_request_fields", Flag: "limit-request-fields", Kind: Int, Meta: "INT", Default: int64(100),
			Doc:   "How many header fields a request may have; beyond it the answer is 431.",
			field: func(c *Config) any { return &c.LimitRequestFields }},
		{Key: "limit_request_field_size", Flag: "limit-request-field_size", Kind: Int, Meta: "BYTES", Default: int64(8190),
			Doc:   "The longest header field; beyond it the answer is 431. 0 is gunicorn's own limit, 8190. Of ASGI applications it is 64 KiB where this is not set.",
			field: func(c *Config) any { return &c.LimitRequestFieldSize }},
		{Key: "limit_request_body", Flag: "limit-request-body", Kind: Size, Meta: "BYTES", Default: int64(1 << 30), Own: true,
			Doc:   "The largest request body; beyond it the answer is 413. 0 is no limit. K, M and G may follow the number.",
			field: func(c *Config) any { return &c.LimitRequestBody }},
		{Key: "spool_response", Flag: "spool-response", Kind: Size, Meta: "BYTES", Default: int64(1 << 30), Own: true,
			Doc:   "How much of a response may wait for its slow client in a file in spool_dir, so that no thread of the application waits. A response goes there when its client has not taken what the sockets and 1 MiB of memory hold; what is longer, or never ends, is then produced as the client reads. 0 is no file: the thread waits. K, M and G may follow the number.",
			field: func(c *Config) any { return &c.SpoolResponse }},
		{Key: "stream_requests", Flag: "stream-requests", Kind: List, Meta: "ROUTE", Default: []string{}, Own: true, check: checkPatterns,
			Doc:   "Requests whose body the application reads while it comes, such as POST /upload/*, /upload/* or * for all: it begins with the head, reads as quickly as it likes, and a client that waits for 100 Continue sends nothing before the first read. Others are read whole first, so that a slow client holds no thread. May be given several times; ASGI applications always get bodies so.",
			field: func(c *Config) any { return &c.StreamRequests }},
		{Key: "spool_dir", Flag: "spool-dir", Kind: String, Meta: "DIR", Own: true,
			Doc:   "The directory for what is too large for memory of requests and responses, in files that never have a name; by default $TMPDIR or /tmp. All of them together take at most half of what is free there. Where it cannot be written, which the log says at the start, they lie in memory and take at most half of what is free of that.",
			field: func(c *Config) any { return &c.SpoolDir }},
	})
}

func processOptions() []Option {
	return section("Processes", []Option{
		{Key: "pidfile", Flag: "pid", Short: "p", Kind: String, Meta: "FILE",
			Doc:   "A file for the server's process id.",
			field: func(c *Config) any { return &c.PidFile }},
		{Key: "user", Flag: "user", Short: "u", Kind: Account, Meta: "USER", check: checkUser,
			Doc:   "The user, by name or number, that the server and its workers become once sockets, logs and keys are open.",
			field: func(c *Config) any { return &c.User }},
		{Key: "group", Flag: "group", Short: "g", Kind: Account, Meta: "GROUP", check: checkGroup,
			Doc:   "The group, by name or number, that the server and its workers change to. By default the user's own.",
			field: func(c *Config) any { return &c.Group }},
		{Key: "umask", Flag: "umask", Short: "m", Kind: Mode, Meta: "MODE", Default: int64(0),
			Doc:   "The file mode bits that unix sockets do not get. A leading 0 means octal.",
			field: func(c *Config) any { return &c.Umask }},
		{Key: "initgroups", Flag: "initgroups", Kind: Bool, Default: false,
			Doc:   "Give the server and its workers all the groups that `user` is a member of, not `group` alone.",
			field: func(c *Config) any { return &c.InitGroups }},
		{Key: "proc_name", Flag: "name", Short: "n", Kind: String, Meta: "NAME",
			Doc:   "A name for the processes in top, ps -c and pgrep: its first 15 bytes.",
			field: func(c *Config) any { return &c.ProcName }},
		{Key: "default_proc_name", Kind: String, Default: "gunicorn", Status: NotApplicable,
			Instead: "it is internal to gunicorn",
			Doc:     "The process name where proc_name is not set."},
		{Key: "daemon", Flag: "daemon", Short: "D", Kind: Bool, Default: false,
			Doc:   "Run in the background. The command ends once the server listens; its standard streams are closed, so that logs need files. A service manager such as systemd does more: it starts a server again.",
			field: func(c *Config) any { return &c.Daemon }},
		{Key: "preload_app", Flag: "preload", Kind: Bool, Default: false,
			Doc:   "Import the application once, in a process that serves nothing, and fork the workers from there: they share its memory and start at once. What the import starts or opens, such as threads and connections, is not to be used by several processes. A reload imports the application anew.",
			field: func(c *Config) any { return &c.PreloadApp }, tuned: tunedPreload},
		{Key: "sidecar", Flag: "sidecar", Kind: List, Meta: "COMMAND", Default: []string{}, Own: true, check: checkSidecars,
			Doc:   "A command to keep running beside the server, such as 'celery -A proj worker', or 'NAME: COMMAND' to call it so in the log. It starts when the application is ready, in the application's environment, and ends and starts again with it; what it prints is in the error log. May be repeated.",
			field: func(c *Config) any { return &c.Sidecars }},
		{Key: "tmp_upload_dir", Kind: String,
			Doc:   "As spool_dir, which counts if both are set.",
			field: func(c *Config) any { return &c.TmpUploadDir }},
		{Key: "worker_tmp_dir", Flag: "worker-tmp-dir", Kind: String, Meta: "DIR", Status: NotApplicable,
			Instead: "workers show that they are alive in shared memory, not in a file",
			Doc:     "The directory for the workers' heartbeat files."},
	})
}

func loggingOptions() []Option {
	return section("Logs", []Option{
		{Key: "accesslog", Flag: "access-logfile", Kind: String, Meta: "FILE",
			Doc:   "The access log; - is standard output. By default there is none.",
			field: func(c *Config) any { return &c.AccessLog }},
		{Key: "access_log_format", Flag: "access-logformat", Kind: String, Meta: "FORMAT", Default: logs.Combined, check: checkAccessLogFormat,
			Doc:   "The access log's line, made of %(NAME)s; `json` is one JSON object for each line. Names: h address, l -, u user, t time, r request line, s status, m method, U path, q query, H protocol, b and B bytes, f referer, a user agent, T seconds, M milliseconds, D microseconds, L decimal seconds, p process, {NAME}i request field, {NAME}o response field, {NAME}e environ variable.",
			field: func(c *Config) any { return &c.AccessLogFormat }},
		{Key: "errorlog", Flag: "error-logfile", Alias: "log-file", Kind: String, Meta: "FILE", Default: "-",
			Doc:   "The error log; - is standard error.",
			field: func(c *Config) any { return &c.ErrorLog }},
		{Key: "loglevel", Flag: "log-level", Kind: Choice, Meta: "LEVEL", Default: "info", Choices: []string{"debug", "info", "warning", "error", "critical"}, Else: "info",
			Doc:   "The least weight of the error log's lines: debug, info, warning, error or critical. As under gunicorn any other value counts as info; it is said.",
			field: func(c *Config) any { return &c.LogLevel }},
		{Key: "capture_output", Flag: "capture-output", Kind: Bool, Default: false,
			Doc:   "Put what workers write to standard output and standard error into the error log.",
			field: func(c *Config) any { return &c.CaptureOutput }},
		{Key: "server_timing", Flag: "server-timing", Kind: Bool, Default: false, Own: true,
			Doc:   "Add a Server-Timing field to responses: milliseconds in the queue, in the application, and of CPU.",
			field: func(c *Config) any { return &c.ServerTiming }},
		{Key: "health_check_path", Flag: "health-check-path", Kind: String, Meta: "PATH", Own: true, check: checkURLPath,
			Doc:   "A path that the server answers itself, for readiness: 200 while a worker is ready, else 503, and 503 as soon as the server was told to end. By default there is none.",
			field: func(c *Config) any { return &c.HealthCheckPath }},
		{Key: "liveness_check_path", Flag: "liveness-check-path", Kind: String, Meta: "PATH", Own: true, check: checkURLPath,
			Doc:   "A path that the server answers itself, for liveness: 200 as long as the server lives, also while no worker is ready and while it ends. By default there is none.",
			field: func(c *Config) any { return &c.LivenessCheckPath }},
		{Key: "metrics", Flag: "metrics", Kind: String, Meta: "ADDRESS", Own: true, check: checkAddress,
			Doc:   "Serve Prometheus metrics at /metrics of this address, HOST:PORT or unix:PATH. It must not be open to the public. By default there are none.",
			field: func(c *Config) any { return &c.Metrics }},
	})
}

func proxyOptions() []Option {
	return section("Behind a proxy", []Option{
		{Key: "forwarded_allow_ips", Flag: "forwarded-allow-ips", Kind: Addrs, Meta: "ADDRESSES", Default: loopback(), Env: "FORWARDED_ALLOW_IPS",
			Doc:   "Addresses and networks, separated by commas, whose secure_scheme_headers and forwarder_headers are believed; * is all. Connections through unix sockets always are, unless it is none: then nobody is believed.",
			field: func(c *Config) any { return &c.ForwardedAllowIPs }},
		{Key: "secure_scheme_headers", Kind: Dict,
			Default: map[string]string{"X-FORWARDED-PROTOCOL": "ssl", "X-FORWARDED-PROTO": "https", "X-FORWARDED-SSL": "on"},
			Doc:     "Header fields, and the value of each by which a proxy says that the client's connection was https.",
			field:   func(c *Config) any { return &c.SecureSchemeHeaders }},
		{Key: "forwarder_headers", Flag: "forwarder-headers", Kind: Commas, Meta: "NAMES", Default: []string{"SCRIPT_NAME", "PATH_INFO"},
			Doc:   "Environ variables that a believed proxy may set by a header field of that name.",
			field: func(c *Config) any { return &c.ForwarderHeaders }},
		{Key: "header_map", Flag: "header-map", Kind: Choice, Meta: "WAY", Default: "drop", Choices: []string{"drop", "refuse", "dangerous"},
			Doc:   "What becomes of a field whose name has an underscore, which no WSGI application could tell from one with a dash: drop it, refuse the request, or pass it on (dangerous). ASGI applications get names as they came: drop passes it on.",
			field: func(c *Config) any { return &c.HeaderMap }},
		{Key: "server_header", Flag: "server-header", Kind: String, Meta: "NAME", Default: "girin", Own: true, check: checkFieldValue,
			Doc:   "What the field Server of answers says where the application gives none; empty: there is no such field. A configuration file that sets gunicorn.SERVER sets it too.",
			field: func(c *Config) any { return &c.ServerHeader }},
		{Key: "proxy_protocol", Flag: "proxy-protocol", Kind: Choice, Meta: "[MODE]", Default: "off", Choices: []string{"off", "v1", "v2", "auto"}, OptionalValue: "auto",
			Synonyms: map[string]string{"true": "auto", "1": "auto", "false": "off", "0": "off", "none": "off"},
			Doc:      "Connections begin with a PROXY protocol header that names the client: off, v1, v2, or auto for both. The flag alone means auto.",
			field:    func(c *Config) any { return &c.ProxyProtocol }},
		{Key: "proxy_allow_ips", Flag: "proxy-allow-from", Kind: Addrs, Meta: "ADDRESSES", Default: loopback(),
			Doc:   "Addresses and networks, separated by commas, whose PROXY protocol headers are believed; * is all, and none is nobody, through unix sockets either.",
			field: func(c *Config) any { return &c.ProxyAllowIPs }},
		{Key: "sendfile", Flag: "no-sendfile", Kind: Off, Env: "SENDFILE", fromEnv: fromYes,
			Doc:   "Copy files instead of handing them to the kernel's sendfile.",
			field: func(c *Config) any { return &c.SendFile }},
		{Key: "protocol", Flag: "protocol", Kind: String, Meta: "NAME", Default: "http", Status: NotBuilt,
			Doc: "The protocol of connections: http, or uwsgi as spoken by nginx."},
		{Key: "uwsgi_allow_ips", Flag: "uwsgi-allow-from", Kind: Addrs, Meta: "ADDRESSES", Default: loopback(), Status: NotApplicable,
			Instead: "connections speak HTTP; the uwsgi protocol is not built",
			Doc:     "Addresses whose requests in the uwsgi protocol are accepted."},
	})
}

func loopback() []string { return []string{"127.0.0.1", "::1"} }

func tlsOptions() []Option {
	return section("TLS", []Option{
		{Key: "certfile", Flag: "certfile", Kind: String, Meta: "FILE",
			Doc:   "The certificate, with its chain, in PEM form. It may hold the key as well.",
			field: func(c *Config) any { return &c.CertFile }},
		{Key: "keyfile", Flag: "keyfile", Kind: String, Meta: "FILE",
			Doc:   "The certificate's private key in PEM form.",
			field: func(c *Config) any { return &c.KeyFile }},
		{Key: "ca_certs", Flag: "ca-certs", Kind: String, Meta: "FILE",
			Doc:   "Certificates, in PEM form, that sign those of clients.",
			field: func(c *Config) any { return &c.CACerts }},
		{Key: "cert_reqs", Flag: "cert-reqs", Kind: Int, Meta: "INT", Default: int64(0), check: atMost(2),
			Doc:   "Whether a client needs a certificate: 0 no, 1 it is checked if there is one, 2 yes.",
			field: func(c *Config) any { return &c.CertReqs }},
		{Key: "ciphers", Flag: "ciphers", Kind: String, Meta: "LIST",
			Doc:   "Cipher suites for TLS 1.2, as OpenSSL names them, separated by colons.",
			field: func(c *Config) any { return &c.Ciphers }},
		{Key: "ssl_version", Flag: "ssl-version", Kind: Opaque, Meta: "INT", Default: int64(2), Status: NotApplicable,
			Instead: "TLS 1.2 and 1.3 are spoken, as gunicorn now does whatever this says",
			Doc:     "The version of TLS."},
		{Key: "suppress_ragged_eofs", Flag: "suppress-ragged-eofs", Kind: Bool, Default: true, Status: NotApplicable,
			Instead: "it tunes Python's ssl module, which takes no part here",
			Doc:     "Ignore connections that end without TLS's own end."},
		{Key: "do_handshake_on_connect", Flag: "do-handshake-on-connect", Kind: Bool, Default: false, Status: NotApplicable,
			Instead: "it tunes Python's ssl module, which takes no part here",
			Doc:     "Do the TLS handshake as soon as a connection is accepted."},
	})
}

func developmentOptions() []Option {
	return section("Development", []Option{
		{Key: "reload", Flag: "reload", Kind: Bool, Default: false,
			Doc:   "Replace the workers when the application's source changes.",
			field: func(c *Config) any { return &c.Reload }},
		{Key: "reload_extra_files", Flag: "reload-extra-file", Kind: List, Meta: "FILE", Default: []string{},
			Doc:   "Another file, or a pattern such as templates/*.html, to watch with reload. May be repeated.",
			field: func(c *Config) any { return &c.ReloadExtraFiles }},
		{Key: "reload_engine", Flag: "reload-engine", Kind: Choice, Meta: "NAME", Default: "auto", Choices: []string{"auto", "poll", "inotify"}, Status: NotApplicable,
			Instead: "reload chooses by itself how it watches files",
			Doc:     "How reload watches files.",
			field:   func(c *Config) any { return &c.ReloadEngine }},
		{Key: "debugger", Flag: "debugger", Kind: Bool, Default: false, Own: true,
			Doc:   "Serve from one worker that runs one request at a time, has the terminal's standard input and no timeout: for breakpoint(), pdb and input(). It is for development; what chooses workers, class, threads, timeout and preload_app is set aside.",
			field: func(c *Config) any { return &c.Debugger }},
		{Key: "check_config", Flag: "check-config", Kind: Bool, Default: false,
			Doc:   "Check the settings, import the application, and exit: 0 if all is well, else 1.",
			field: func(c *Config) any { return &c.CheckConfig }},
		{Key: "print_config", Flag: "print-config", Kind: Bool, Default: false,
			Doc:   "Print all settings as they are resolved, then do as check_config.",
			field: func(c *Config) any { return &c.PrintConfig }},
		{Key: "spew", Flag: "spew", Kind: Bool, Default: false, Status: NotApplicable,
			Instead: "`python -m trace` shows every line that runs",
			Doc:     "Print every line of Python that runs."},
	})
}

func helpOptions() []Option {
	return section("Help", []Option{
		{Key: "help", Flag: "help", Short: "h", Kind: Bool, Default: false, Own: true,
			Doc:   "Show this text.",
			field: func(c *Config) any { return &c.Help }},
		{Key: "version", Flag: "version", Short: "v", Kind: Bool, Default: false, Own: true,
			Doc:   "Show the version.",
			field: func(c *Config) any { return &c.Version }},
	})
}
