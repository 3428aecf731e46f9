package config

import (
	"errors"
	"net"
	"strings"
)

// jobPageOptions are those of jobs by which people and other servers learn of them.
func jobPageOptions() []Option {
	return []Option{
		{Key: "offload_callback", Flag: "offload-callback", Kind: Commas, Meta: "HOST,...", Default: []string{}, Own: true, check: checkHosts,
			Doc:   "Where clients may ask to be told of a job's end (Girin-Callback: URL): these hosts, HOST or HOST:PORT, at the ports 80 and 443 if none is named. It needs offload_callback_key.",
			field: func(c *Config) any { return &c.OffloadCallback }},
		{Key: "offload_callback_key", Flag: "offload-callback-key", Kind: String, Meta: "FILE", Own: true,
			Doc:   "The secret that callbacks are signed with, as Standard Webhooks says; girin offload webhook-key makes one.",
			field: func(c *Config) any { return &c.OffloadCallbackKey }},
		{Key: "offload_callback_private", Flag: "offload-callback-private", Kind: Bool, Default: false, Own: true,
			Doc:   "Let callbacks go to addresses of this machine and of its network as well, if a host of offload_callback has such a one.",
			field: func(c *Config) any { return &c.OffloadCallbackPrivate }},
		{Key: "jobs_page", Flag: "jobs-page", Kind: Bool, Default: false, Own: true,
			Doc:   "Show the jobs on a page at /.girin/jobs/ of the address that metrics names, and let them be cancelled and run again there. Whoever reaches that address may do so.",
			field: func(c *Config) any { return &c.JobsPage }},
		{Key: "jobs_page_host", Flag: "jobs-page-host", Kind: Commas, Meta: "HOST,...", Default: []string{}, Own: true, check: checkNames,
			Doc:   "Names by which the jobs page may be asked for, beside localhost and addresses: that of a proxy before it. Other names are refused, since they may be anybody's (DNS rebinding).",
			field: func(c *Config) any { return &c.JobsPageHosts }},
	}
}

func checkHosts(v any) error {
	for _, host := range v.([]string) {
		name := host
		if n, port, err := net.SplitHostPort(host); err == nil && port != "" {
			name = n
		}
		if name = strings.Trim(name, "[]"); name == "" || strings.ContainsAny(name, "/@*? ") || strings.Contains(name, ":") && net.ParseIP(name) == nil {
			return errors.New(quote(host) + " is not of the form HOST or HOST:PORT")
		}
	}
	return nil
}

func checkNames(v any) error {
	for _, name := range v.([]string) {
		if name == "" || strings.ContainsAny(name, "/@*?: ") {
			return errors.New(quote(name) + " is not a name of a host")
		}
	}
	return nil
}

// checkJobPage checks what depends on several settings.
func (l *loader) checkJobPage(cfg *Config, resolved map[string]setting) error {
	switch {
	case cfg.JobsPage && cfg.Metrics == "":
		return resolved["jobs_page"].error(errors.New("the page is served at the address of metrics, which is not set (--metrics 127.0.0.1:9100)"))
	case cfg.JobsPage && !cfg.Jobs():
		return resolved["jobs_page"].error(errors.New("there are no jobs to be shown: set offload or tasks"))
	case len(cfg.OffloadCallback) > 0 && cfg.OffloadCallbackKey == "":
		return resolved["offload_callback"].error(errors.New("callbacks are signed, and offload_callback_key is not set (girin offload webhook-key makes one)"))
	case len(cfg.OffloadCallback) > 0 && !cfg.Jobs():
		return resolved["offload_callback"].error(errors.New("there are no jobs of whose end somebody could be told: set offload or tasks"))
	}
	return nil
}
