package config

import (
	"slices"
	"time"
)

// hookOptions are the functions that a configuration file may define. Config.Hooks names those
// that it does.
func hookOptions() []Option {
	return section("Hooks (configuration file only)", []Option{
		hook("on_starting", "before the server starts"),
		hook("on_reload", "when workers are replaced after a HUP signal"),
		hook("when_ready", "once the server accepts connections"),
		hook("pre_fork", "before a worker is started"),
		hook("post_fork", "in a worker, once it has started"),
		hook("post_worker_init", "in a worker, once the application is imported"),
		hook("worker_int", "in a worker that ends by INT or QUIT"),
		hook("worker_abort", "in a worker that ends by ABRT, which follows a timeout"),
		hook("pre_request", "in a worker, before each request"),
		hook("post_request", "in a worker, after each request"),
		hook("child_exit", "in the server, after a worker has ended"),
		hook("worker_exit", "in a worker, before it ends"),
		hook("nworkers_changed", "when the number of workers changes"),
		hook("on_exit", "before the server ends"),
		hook("pre_exec", "before USR2 starts another server beside this one"),
		{Key: "ssl_context", Kind: Hook,
			Doc: "Called when the server starts, and at each reload, to make the context of TLS connections. Girin does what the context says: its versions, verify_mode, authorities, ciphers of TLS 1.2, session tickets, and one certificate. What it cannot do, such as sni_callback, revocation lists or a key with a password, is an error."},
	})
}

func hook(key, when string) Option {
	return Option{Key: key, Kind: Hook, Doc: "Called " + when + "."}
}

// IsHook reports whether a setting is a function.
func IsHook(key string) bool {
	return slices.ContainsFunc(hookOptions(), func(o Option) bool { return o.Key == key })
}

// WorkerHooks are those that run in workers; the others run in the arbiter.
func WorkerHooks() []string {
	return []string{
		"post_fork", "post_worker_init", "worker_int", "worker_abort", "pre_request", "post_request", "worker_exit",
	}
}

func syslogOptions() []Option {
	return section("Python's logging, syslog, statsd", []Option{
		{Key: "logger_class", Flag: "logger-class", Kind: Class, Meta: "CLASS", Default: defaultLogger,
			Doc:   "The Python class that writes the logs, such as a subclass of gunicorn's. The server hands it each line, in the process of the configuration file; without it the server writes the logs itself.",
			field: func(c *Config) any { return &c.LoggerClass }},
		{Key: "logconfig", Flag: "log-config", Kind: String, Meta: "FILE",
			Doc: "A configuration file for Python's logging, for the loggers of the application, of hooks, and gunicorn.error and gunicorn.access, which get the lines of the server's logs. In INI as gunicorn reads it, or in JSON (.json) or YAML (.yaml, .yml) as uvicorn does; one for uvicorn.error and uvicorn.access gives them these lines."},
		{Key: "logconfig_dict", Kind: Opaque, Default: map[string]any{},
			Doc: "A configuration for Python's logging, as a dictionary; as logconfig."},
		{Key: "logconfig_json", Flag: "log-config-json", Kind: String, Meta: "FILE",
			Doc: "A configuration file for Python's logging, in JSON; as logconfig."},
		{Key: "syslog", Flag: "log-syslog", Kind: Bool, Default: false,
			Doc:   "Send the logs to syslog as well, the access log even if it has no file.",
			field: func(c *Config) any { return &c.Syslog }},
		{Key: "syslog_addr", Flag: "log-syslog-to", Kind: String, Meta: "ADDRESS", Default: "udp://localhost:514",
			Doc:   "Where syslog listens: unix://PATH (#dgram or #stream may follow), udp://HOST:PORT or tcp://HOST:PORT.",
			field: func(c *Config) any { return &c.SyslogAddr }},
		{Key: "syslog_prefix", Flag: "log-syslog-prefix", Kind: String, Meta: "NAME",
			Doc:   "The middle of the program name in syslog's lines, gunicorn.NAME.error and gunicorn.NAME.access; by default proc_name or the application.",
			field: func(c *Config) any { return &c.SyslogPrefix }},
		{Key: "syslog_facility", Flag: "log-syslog-facility", Kind: String, Meta: "NAME", Default: "user",
			Doc:   "The facility of syslog's lines.",
			field: func(c *Config) any { return &c.SyslogFacility }},
		{Key: "disable_redirect_access_to_syslog", Flag: "disable-redirect-access-to-syslog", Kind: Bool, Default: false,
			Doc:   "Keep the access log out of syslog.",
			field: func(c *Config) any { return &c.SyslogNoAccess }},
		{Key: "statsd_host", Flag: "statsd-host", Kind: String, Meta: "ADDRESS", check: checkStatsd,
			Doc:   "Where statsd listens for gunicorn's metrics of requests, workers and log lines, by UDP: HOST:PORT, or unix://PATH.",
			field: func(c *Config) any { return &c.StatsdHost }},
		{Key: "statsd_prefix", Flag: "statsd-prefix", Kind: String, Meta: "PREFIX", Default: "",
			Doc:   "What statsd's names begin with.",
			field: func(c *Config) any { return &c.StatsdPrefix }},
		{Key: "dogstatsd_tags", Flag: "dogstatsd-tags", Kind: String, Meta: "TAGS", Default: "",
			Doc:   "Tags for statsd in Datadog's form, separated by commas.",
			field: func(c *Config) any { return &c.StatsdTags }},
		{Key: "enable_backlog_metric", Flag: "enable-backlog-metric", Kind: Bool, Default: false, Status: NotApplicable,
			Instead: "connections are accepted at once; requests that wait are counted in metrics",
			Doc:     "Tell statsd how many connections wait to be accepted."},
		{Key: "enable_stdio_inheritance", Flag: "enable-stdio-inheritance", Short: "R", Kind: Bool, Default: false,
			Doc:   "With daemon, let the server and its workers keep standard output and error.",
			field: func(c *Config) any { return &c.StdioInheritance }},
	})
}

func asgiOptions() []Option {
	return section("ASGI, WebSocket, Paste", []Option{
		{Key: "asgi_loop", Flag: "asgi-loop", Kind: Choice, Meta: "NAME", Default: "auto", Choices: []string{"auto", "asyncio", "uvloop"},
			Doc:   "The event loop of ASGI workers: uvloop, asyncio, or auto: uvloop where it is installed.",
			field: func(c *Config) any { return &c.ASGILoop }},
		{Key: "asgi_lifespan", Flag: "asgi-lifespan", Kind: Choice, Meta: "WAY", Default: "auto", Choices: []string{"auto", "on", "off"},
			Doc:   "Whether an ASGI application gets lifespan events; with auto one that raises on the first is one that knows none.",
			field: func(c *Config) any { return &c.Lifespan }},
		{Key: "asgi_spec", Flag: "asgi-spec", Kind: Choice, Meta: "VERSION", Default: "2.3", Choices: []string{"2.3", "2.5"}, Own: true,
			Doc:   "The version of ASGI's HTTP specification that applications are told. From 2.4 on send raises an OSError when the client has left, and Starlette no longer listens for that: a stream that has nothing to send does not learn of it.",
			field: func(c *Config) any { return &c.ASGISpec }},
		{Key: "asgi_disconnect_grace_period", Flag: "asgi-disconnect-grace-period", Kind: Int, Meta: "SECONDS", Default: int64(3), check: atLeast(0),
			Doc:   "How long an ASGI application may go on after its client has left; then its task is cancelled. That of a WebSocket only if it has not received or sent anything since, and so does not know.",
			field: func(c *Config) any { return &c.DisconnectGrace }},
		{Key: "ws", Flag: "ws", Kind: Choice, Meta: "WAY", Default: "auto", Choices: []string{"auto", "none"}, Own: true,
			Synonyms: map[string]string{"websockets": "auto", "websockets-sansio": "auto", "wsproto": "auto"},
			Doc:      "Whether there are WebSockets; with none a request for one is a plain request, whose Upgrade means nothing. The names of libraries that uvicorn takes mean auto: the server speaks WebSocket itself.",
			field:    func(c *Config) any { return &c.WS }},
		{Key: "websocket_max_message_size", Flag: "websocket-max-message-size", Kind: Int, Meta: "BYTES", Default: int64(16 << 20), check: atLeast(0),
			Doc:   "The largest WebSocket message, inflated; a client that sends a larger one is closed with 1009. 0 is no limit.",
			field: func(c *Config) any { return &c.MaxMessage }},
		{Key: "ws_ping_interval", Flag: "ws-ping-interval", Kind: Seconds, Meta: "SECONDS", Default: 20 * time.Second, Own: true,
			Doc:   "After how long without a byte of a WebSocket's client the server asks whether it is there. 0 never does.",
			field: func(c *Config) any { return &c.PingInterval }},
		{Key: "ws_ping_timeout", Flag: "ws-ping-timeout", Kind: Seconds, Meta: "SECONDS", Default: 20 * time.Second, Own: true,
			Doc:   "How long an answer to that may take; then the WebSocket is closed. The application takes no part in it: one that computes loses no client. 0 waits for ever.",
			field: func(c *Config) any { return &c.PingTimeout }},
		{Key: "ws_max_queue", Flag: "ws-max-queue", Kind: Size, Meta: "BYTES", Default: int64(64 << 10), Own: true, check: atLeast(1),
			Doc:   "How much a WebSocket's client may have sent that the application has not received; then no more is read of it, so that TCP makes it wait. Each message counts 256 bytes more than it has. K, M and G may follow the number.",
			field: func(c *Config) any { return &c.WSMaxQueue }},
		{Key: "ws_drain", Flag: "ws-drain", Kind: Seconds, Meta: "SECONDS", Default: 2 * time.Second, Own: true,
			Doc:   "Over how long the WebSockets of a worker that is replaced, or of a server that stops, are closed (1012), so that not all clients come back at once.",
			field: func(c *Config) any { return &c.WSDrain }},
		{Key: "ws_per_message_deflate", Flag: "no-ws-per-message-deflate", Kind: Off, Default: true, Own: true,
			Doc:   "Compress no WebSocket message, also where the client offers it.",
			field: func(c *Config) any { return &c.WSDeflate }},
		{Key: "root_path", Flag: "root-path", Kind: String, Meta: "PATH", Default: "",
			Doc:   "Where an ASGI application is mounted: its root_path, which is put before paths that do not begin with it. A WSGI application's mount point is the environment variable SCRIPT_NAME.",
			field: func(c *Config) any { return &c.RootPath }},
		{Key: "paste", Flag: "paste", Alias: "paster", Kind: String, Meta: "FILE",
			Doc:   "Load the application that a PasteDeploy file describes, such as Pyramid's production.ini: FILE or FILE#NAME, from the current directory. It takes the place of an application that is named otherwise. If the file has a section [loggers] it is logconfig as well.",
			field: func(c *Config) any { return &c.Paste }},
		{Key: "raw_paste_global_conf", Flag: "paste-global", Kind: List, Meta: "KEY=VALUE", Default: []string{}, check: checkEnv,
			Doc:   "A global variable for the PasteDeploy file: its %(KEY)s. May be repeated.",
			field: func(c *Config) any { return &c.PasteGlobal }},
	})
}

func http2Options() []Option {
	return section("HTTP/2", []Option{
		{Key: "http_protocols", Flag: "http-protocols", Kind: Commas, Meta: "NAMES", Default: []string{"h1"}, check: checkProtocols,
			Doc:   "The versions of HTTP to speak, separated by commas, the preferred one first: h1, h2. HTTP/2 needs TLS, where client and server agree on it (ALPN); without TLS see http2_cleartext.",
			field: func(c *Config) any { return &c.HTTPProtocols }},
		{Key: "http2_cleartext", Flag: "http2-cleartext", Kind: Choice, Meta: "WAY", Default: "off", Choices: []string{"off", "prior-knowledge", "upgrade", "both"}, Synonyms: map[string]string{"true": "prior-knowledge", "false": "off"},
			Doc:   "HTTP/2 without TLS, for proxies that begin with it (`prior-knowledge`) and whose address is in forwarded_allow_ips. `upgrade` from HTTP/1.1 is not spoken, as RFC 9113 has withdrawn it: such a client is answered in HTTP/1.1. So `both` is `prior-knowledge`, and `upgrade` alone is `off`.",
			field: func(c *Config) any { return &c.HTTP2Clear }},
		{Key: "http2_max_concurrent_streams", Flag: "http2-max-concurrent-streams", Kind: Int, Meta: "INT", Default: int64(100), check: between(1, 1<<31-1),
			Doc:   "How many requests an HTTP/2 connection may have at once.",
			field: func(c *Config) any { return &c.HTTP2MaxStreams }},
		{Key: "http2_initial_window_size", Flag: "http2-initial-window-size", Kind: Int, Meta: "BYTES", Default: int64(65535), check: between(1, 1<<29),
			Doc:   "How much a client may send on a stream before it is read.",
			field: func(c *Config) any { return &c.HTTP2Window }},
		{Key: "http2_max_frame_size", Flag: "http2-max-frame-size", Kind: Int, Meta: "BYTES", Default: int64(16384), check: between(16384, 1<<24-1),
			Doc:   "The largest HTTP/2 frame that a client may send, from 16384 on.",
			field: func(c *Config) any { return &c.HTTP2MaxFrame }},
		{Key: "http2_max_header_list_size", Flag: "http2-max-header-list-size", Kind: Int, Meta: "BYTES", Default: int64(65536), check: between(1024, 1<<24),
			Doc:   "The largest list of header fields, with 32 bytes more for each. The other limits of fields hold as well.",
			field: func(c *Config) any { return &c.HTTP2MaxHeaderList }},
	})
}

func parserOptions() []Option {
	return section("Laxer parsing", append(inapplicable("requests that RFC 9112 forbids are always refused", []Option{
		{Key: "permit_obsolete_folding", Flag: "permit-obsolete-folding", Kind: Bool, Default: false,
			Doc: "Accept header fields that go on in the next line."},
		{Key: "strip_header_spaces", Flag: "strip-header-spaces", Kind: Bool, Default: false,
			Doc: "Accept spaces between a field's name and its colon."},
		{Key: "permit_unconventional_http_method", Flag: "permit-unconventional-http-method", Kind: Bool, Default: false,
			Doc: "Accept methods in other forms than the registered ones have."},
		{Key: "permit_unconventional_http_version", Flag: "permit-unconventional-http-version", Kind: Bool, Default: false,
			Doc: "Accept other versions than HTTP/1.0 and HTTP/1.1."},
		{Key: "casefold_http_method", Flag: "casefold-http-method", Kind: Bool, Default: false,
			Doc: "Take methods in lower case for those in upper case."},
	}), inapplicable("there is one parser", []Option{
		{Key: "http_parser", Flag: "http-parser", Kind: Choice, Meta: "NAME", Default: "auto", Choices: []string{"auto", "fast", "python"},
			Doc: "Which HTTP parser reads requests."},
	})...))
}

// inapplicable marks rows whose subject does not exist here.
func inapplicable(instead string, rows []Option) []Option {
	for i := range rows {
		rows[i].Status, rows[i].Instead = NotApplicable, instead
	}
	return rows
}

func dirtyOptions() []Option {
	return section("Dirty workers, control socket", append(inapplicable("there are no dirty workers", []Option{
		{Key: "dirty_apps", Flag: "dirty-app", Kind: List, Meta: "APP", Default: []string{}, Doc: "Applications of the dirty workers."},
		{Key: "dirty_workers", Flag: "dirty-workers", Kind: Int, Meta: "INT", Default: int64(0), Doc: "How many dirty workers run."},
		{Key: "dirty_timeout", Flag: "dirty-timeout", Kind: Int, Meta: "SECONDS", Default: int64(300), Doc: "How long a dirty worker's task may take."},
		{Key: "dirty_threads", Flag: "dirty-threads", Kind: Int, Meta: "INT", Default: int64(1), Doc: "How many threads a dirty worker has."},
		{Key: "dirty_graceful_timeout", Flag: "dirty-graceful-timeout", Kind: Int, Meta: "SECONDS", Default: int64(30), Doc: "How long dirty workers may take to stop."},
		hook("on_dirty_starting", "before dirty workers are started"),
		hook("dirty_post_fork", "in a dirty worker, once it has started"),
		hook("dirty_worker_init", "in a dirty worker, once its applications are loaded"),
		hook("dirty_worker_exit", "after a dirty worker has ended"),
	}), inapplicable("there is no control socket", []Option{
		{Key: "control_socket", Flag: "control-socket", Kind: String, Meta: "PATH", Doc: "The path of gunicorn's control socket."},
		{Key: "control_socket_mode", Flag: "control-socket-mode", Kind: Mode, Meta: "MODE", Default: int64(0o600), Doc: "The file mode of gunicorn's control socket."},
		{Key: "control_socket_disable", Flag: "no-control-socket", Kind: Bool, Default: false, Doc: "Have no control socket."},
	})...))
}
