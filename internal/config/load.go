package config

import (
	"errors"
	"time"
)

// Load resolves the settings.
func Load(args []string, env []string, dir string) (*Config, []Warning, error) {
	if len(args) == 0 {
		return nil, nil, errors.New("no application module specified")
	}
	return &Config{
		App: args[len(args)-1], Bind: []string{"127.0.0.1:8000"}, Backlog: 2048, Workers: 1, WorkerClass: "gthread",
		Threads: 8, WorkerConnections: 1000, Timeout: 30 * time.Second, GracefulTimeout: 30 * time.Second,
		KeepAlive: 2 * time.Second, QueueSize: 2048, LimitRequestLine: 4094, LimitRequestFields: 100,
		LimitRequestFieldSize: 8190, LimitRequestBody: 1 << 30, Chdir: dir, ErrorLog: "-", LogLevel: "info",
		SendFile: true, HeaderMap: "drop",
	}, nil, nil
}
