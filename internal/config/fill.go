package config

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// fill stores the resolved values and derives what depends on several of them.
func (l *loader) fill(resolved map[string]setting) (*Config, error) {
	cfg := &Config{resolved: resolved, UID: os.Geteuid(), GID: os.Getegid()}
	for i := range l.options {
		if o := &l.options[i]; o.field != nil {
			store(o.field(cfg), resolved[o.Key].value)
		}
	}
	if err := l.describe(cfg, resolved); err != nil {
		return nil, err
	}
	if isFolder(absolute(l.dir, cfg.App)) && (cfg.App == "." || strings.Contains(cfg.App, "/")) {
		return nil, fmt.Errorf("'%s' is a folder; girin --chdir %s serves what is found in it", cfg.App, cfg.App)
	}
	if cfg.App == "" {
		found, ok := FindApp(absolute(l.dir, cfg.Chdir))
		if !ok {
			return nil, ErrNoApp
		}
		cfg.App, cfg.Found = found.App, found.File
		resolved["wsgi_app"] = setting{value: found.App, source: "found in " + found.File}
	}
	if l.file != nil {
		cfg.File = l.file.File
		cfg.FromFile = l.fromFile(resolved)
	}
	for _, o := range l.options {
		if o.Kind == Hook && o.Status == Built && resolved[o.Key].value != nil {
			cfg.Hooks = append(cfg.Hooks, o.Key)
		}
	}
	l.warnOfPort(cfg, resolved["pidfile"])
	l.fillClass(cfg, resolved)
	l.fillSwitches(cfg, resolved)
	for _, step := range []func(*Config, map[string]setting) error{l.fillPaths, l.fillAccounts, l.checkTLS, l.checkSyslog, l.checkJobs, l.checkJobPage} {
		if err := step(cfg, resolved); err != nil {
			return nil, err
		}
	}
	return cfg, nil
}

// warnOfPort tells whoever meant a port by -p, as with many servers.
func (l *loader) warnOfPort(cfg *Config, s setting) {
	if _, err := strconv.ParseUint(cfg.PidFile, 10, 16); err == nil {
		l.warnings = append(l.warnings, Warning{Key: s.name, Source: s.source, Text: "is a file for the process id; a port is -b :" + cfg.PidFile})
	}
}

func (l *loader) fillClass(cfg *Config, resolved map[string]setting) {
	s := resolved["worker_class"]
	class, note, _ := workerClass(cfg.WorkerClass) // checked by checkWorkerClass
	if note != "" {
		l.warnings = append(l.warnings, Warning{Key: s.name, Source: s.source, Text: note})
	}
	if class == "sync" && cfg.Threads > 1 {
		class = "gthread"
	}
	cfg.WorkerClass = class
	if class != "auto" {
		return
	}
	// For auto these are upper limits; where none was set there is none.
	if resolved["workers"].source == fromDefault {
		cfg.Workers = 0
	}
	if resolved["threads"].source == fromDefault {
		cfg.Threads = 0
	}
}

func (l *loader) fillSwitches(cfg *Config, resolved map[string]setting) {
	if resolved["sendfile"].value == nil {
		cfg.SendFile = true
	}
	if len(cfg.HTTPProtocols) == 0 {
		cfg.HTTPProtocols = []string{"h1"}
	}
	upper := make(map[string]string, len(cfg.SecureSchemeHeaders))
	for name, value := range cfg.SecureSchemeHeaders {
		upper[strings.ToUpper(name)] = value
	}
	cfg.SecureSchemeHeaders = upper
}

// checkSyslog looks at where syslog is only if there is one, as gunicorn does.
func (l *loader) checkSyslog(cfg *Config, resolved map[string]setting) error {
	if !cfg.Syslog {
		return nil
	}
	for key, check := range map[string]func(any) error{"syslog_addr": checkSyslogAddr, "syslog_facility": checkFacility} {
		if s := resolved[key]; s.value != nil {
			if err := check(s.value); err != nil {
				return s.error(err)
			}
		}
	}
	return nil
}

// fillPaths makes paths absolute: the working directory from dir, all others from there.
func (l *loader) fillPaths(cfg *Config, resolved map[string]setting) error {
	cfg.Chdir = absolute(l.dir, cfg.Chdir)
	if info, err := os.Stat(cfg.Chdir); err != nil || !info.IsDir() {
		return resolved["chdir"].error(fmt.Errorf("%s is not a directory", quote(cfg.Chdir)))
	}
	for _, p := range []*string{&cfg.PidFile, &cfg.AccessLog, &cfg.ErrorLog, &cfg.CertFile, &cfg.KeyFile, &cfg.CACerts, &cfg.TmpUploadDir, &cfg.OffloadKey, &cfg.OffloadCallbackKey, &cfg.OffloadTLSCert, &cfg.OffloadTLSKey, &cfg.OffloadTLSCA, &cfg.OffloadCreds, &cfg.OffloadDir} {
		if *p != "" && *p != "-" {
			*p = absolute(cfg.Chdir, *p)
		}
	}
	for _, list := range [][]string{cfg.PythonPath, cfg.ReloadExtraFiles} {
		for i := range list {
			list[i] = absolute(cfg.Chdir, list[i])
		}
	}
	return nil
}

func isFolder(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}

func absolute(dir, p string) string {
	if filepath.IsAbs(p) {
		return filepath.Clean(p)
	}
	return filepath.Join(dir, p)
}

func (l *loader) fillAccounts(cfg *Config, resolved map[string]setting) error {
	var err error
	if cfg.User != "" {
		if cfg.UID, err = userID(cfg.User); err != nil {
			return resolved["user"].error(err)
		}
		cfg.GID = primaryGroup(cfg.UID, cfg.GID) // gunicorn would keep root's
	}
	if cfg.Group != "" {
		if cfg.GID, err = groupID(cfg.Group); err != nil {
			return resolved["group"].error(err)
		}
	}
	return nil
}

func (l *loader) checkTLS(cfg *Config, resolved map[string]setting) error {
	if cfg.KeyFile != "" && cfg.CertFile == "" {
		return resolved["keyfile"].error(errors.New("a key needs a certificate: certfile is not set"))
	}
	if cfg.CertReqs > 0 && cfg.CACerts == "" {
		return resolved["cert_reqs"].error(errors.New("clients' certificates need an authority: ca_certs is not set"))
	}
	for key, path := range map[string]string{"certfile": cfg.CertFile, "keyfile": cfg.KeyFile, "ca_certs": cfg.CACerts} {
		if path == "" {
			continue
		}
		f, err := os.Open(path)
		if errors.Is(err, fs.ErrPermission) {
			continue // a reload comes after --user; at the start, whoever opens it for good tells
		}
		if err != nil {
			return resolved[key].error(err)
		}
		f.Close()
	}
	return nil
}
