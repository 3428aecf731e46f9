package config

import (
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"time"

	"girin/internal/offload"
)

func jobOptions() []Option {
	return section("Jobs", []Option{
		{Key: "offload", Flag: "offload", Kind: List, Meta: "ROUTE[,...]", Default: []string{}, Own: true, check: checkOffload,
			Doc:   "Requests that are jobs, such as /pdf/*, POST /pdf/* or * for all: they wait in a queue that all servers of the application share, and run on the one that has time. May be given several times; the first that matches counts. After a comma: async or both, whose clients get 202 and a place for the answer at once, always or if they ask for it (Prefer: respond-async); sync, which is the default; retry=N, how often one is run again whose server has died (2; never one that may not run twice); limit=N, how many run at once, on all servers together; timeout=SECONDS, how long one may run, if that is less than timeout; priority=high, mid or low.",
			field: func(c *Config) any { return &c.Offload }},
		{Key: "offload_connect", Flag: "offload-connect", Kind: Commas, Meta: "URLS", Default: []string{}, Own: true, check: checkNATS,
			Doc:   "The NATS servers that hold the queue, such as nats://10.0.0.5:4222: another girin's --offload-listen, or a cluster with JetStream. By default this server starts one for itself.",
			field: func(c *Config) any { return &c.OffloadConnect }},
		{Key: "offload_listen", Flag: "offload-listen", Kind: String, Meta: "ADDRESS", Own: true, check: checkOffloadListen,
			Doc:   "Where other servers of the application reach the queue that this one has started: HOST:PORT. It needs offload_key, and outside loopback offload_tls_cert.",
			field: func(c *Config) any { return &c.OffloadListen }},
		{Key: "offload_key", Flag: "offload-key", Kind: String, Meta: "FILE", Own: true,
			Doc:   "The key that servers show each other, which girin offload keygen makes; the same file on each.",
			field: func(c *Config) any { return &c.OffloadKey }},
		{Key: "offload_creds", Flag: "offload-creds", Kind: String, Meta: "FILE", Own: true,
			Doc:   "The credentials that the NATS servers of offload_connect ask for, as nsc makes them. A user and a password may be in the URLs, and offload_key may be an nkey of theirs.",
			field: func(c *Config) any { return &c.OffloadCreds }},
		{Key: "offload_cluster", Flag: "offload-cluster", Kind: Commas, Meta: "ADDRESSES", Default: []string{}, Own: true, check: checkCluster,
			Doc:   "The engines of three or five servers keep the queue together, and one of three, or two of five, may be gone: HOST:PORT where this server's engine listens for the others, then the same of each of those. It needs offload_key, and outside loopback offload_tls_cert.",
			field: func(c *Config) any { return &c.OffloadCluster }},
		{Key: "offload_replicas", Flag: "offload-replicas", Kind: Int, Meta: "INT", Default: int64(0), DefaultText: "as they are, else 1", Own: true, check: checkReplicas,
			Doc:   "How many of the NATS servers of offload_connect keep what is stored: 1, 3 or 5.",
			field: func(c *Config) any { return &c.OffloadReplicas }},
		{Key: "offload_auth", Flag: "offload-auth", Kind: String, Meta: "WHAT", Default: "authorization", Own: true, check: checkOffloadAuth,
			Doc:   "By what a client shows that an accepted job is its own: authorization, the field of that name; cookie:NAME, one cookie, such as cookie:sessionid; or none, that it knows the job's place.",
			field: func(c *Config) any { return &c.OffloadAuth }},
		{Key: "offload_tls_cert", Flag: "offload-tls-cert", Kind: String, Meta: "FILE", Own: true,
			Doc:   "The certificate of offload_listen and offload_cluster; with offload_connect the one that this server shows.",
			field: func(c *Config) any { return &c.OffloadTLSCert }},
		{Key: "offload_tls_key", Flag: "offload-tls-key", Kind: String, Meta: "FILE", Own: true,
			Doc:   "The private key of that certificate.",
			field: func(c *Config) any { return &c.OffloadTLSKey }},
		{Key: "offload_tls_ca", Flag: "offload-tls-ca", Kind: String, Meta: "FILE", Own: true,
			Doc:   "The authorities that the certificate of offload_connect is checked with, in place of the system's.",
			field: func(c *Config) any { return &c.OffloadTLSCA }},
		{Key: "offload_dir", Flag: "offload-dir", Kind: String, Meta: "DIR", Own: true,
			Doc:   "Where the queue is stored; only this server's user can read it. By default a directory of the application's name in $STATE_DIRECTORY, $XDG_STATE_HOME/girin or ~/.local/state/girin.",
			field: func(c *Config) any { return &c.OffloadDir }},
		{Key: "offload_jobs", Flag: "offload-jobs", Kind: Int, Meta: "INT", Default: int64(10000), Own: true, check: atLeast(1),
			Doc:   "How many accepted jobs may wait. Further ones are answered with 503.",
			field: func(c *Config) any { return &c.OffloadJobs }},
		{Key: "offload_max", Flag: "offload-max", Kind: Size, Meta: "BYTES", Default: int64(0), DefaultText: "half of what is free, 4 GiB at most", Own: true,
			Doc:   "How much may be stored of accepted jobs, their bodies and results. Further jobs are answered with 503.",
			field: func(c *Config) any { return &c.OffloadMax }},
		{Key: "offload_keep", Flag: "offload-keep", Kind: Seconds, Meta: "SECONDS", Default: time.Hour, Own: true,
			Doc:   "How long the result of an accepted job is there. For a day after that the answer is 410.",
			field: func(c *Config) any { return &c.OffloadKeep }},
		{Key: "offload_move", Flag: "offload-move", Kind: Seconds, Meta: "SECONDS", Default: time.Minute, Own: true,
			Doc:   "For how long no server must have had a version of the application before the jobs that it accepted run on the present one. 0: they wait for it.",
			field: func(c *Config) any { return &c.OffloadMove }},
		{Key: "tasks", Flag: "tasks", Kind: Bool, Default: false, Own: true,
			Doc:   "Let the application hand over functions as jobs, also if no route is one.",
			field: func(c *Config) any { return &c.Tasks }},
		{Key: "offload_slots", Flag: "offload-slots", Kind: Int, Meta: "INT", Default: int64(-1), DefaultText: "as many as there are cores", Own: true, check: atLeast(-1),
			Doc:   "How many jobs this server runs at once, its own clients' as well: so many whose clients wait, and so many accepted ones. 0: none.",
			field: func(c *Config) any { return &c.OffloadSlots }},
		{Key: "offload_version", Flag: "offload-version", Kind: String, Meta: "VERSION", Env: "GIRIN_VERSION", Own: true,
			Doc:   "The application's version: a server runs only jobs of its own. By default $GIRIN_VERSION, $SOURCE_COMMIT, $GIT_SHA, else a hash of the Python files below chdir and of what is installed.",
			field: func(c *Config) any { return &c.OffloadVersion }},
		{Key: "no_bind", Flag: "no-bind", Kind: Bool, Default: false, Own: true,
			Doc:   "Listen nowhere: the server only runs jobs, and needs offload_connect.",
			field: func(c *Config) any { return &c.NoBind }},
	})
}

func checkOffload(v any) error {
	_, err := offload.Parse(v.([]string))
	return err
}

func checkNATS(v any) error {
	for _, url := range v.([]string) {
		if scheme, rest, ok := strings.Cut(url, "://"); !ok || rest == "" || scheme != "nats" && scheme != "tls" {
			return fmt.Errorf("%s is not of the form nats://HOST:PORT", quote(url))
		}
	}
	return nil
}

// checkCluster counts the engines of a cluster: the more than half that must agree are, of
// an even number, as many as of the odd one above it.
func checkCluster(v any) error {
	all := v.([]string)
	switch n := len(all); {
	case n == 0:
		return nil
	case n == 2:
		return errors.New("two engines are no safer than one: when one is gone the other is no majority. It takes three, or five")
	case n != 3 && n != 5:
		return fmt.Errorf("a cluster has three engines, or five, not %d", n)
	}
	for i, addr := range all {
		if _, _, err := net.SplitHostPort(addr); err != nil {
			return fmt.Errorf("%s is not of the form HOST:PORT", quote(addr))
		}
		if slices.Contains(all[:i], addr) {
			return fmt.Errorf("%s is there twice", quote(addr))
		}
	}
	return nil
}

func checkReplicas(v any) error {
	switch v.(int64) {
	case 0, 1, 3, 5:
		return nil
	}
	return errors.New("it should be 1, 3 or 5: of two servers neither is a majority")
}

func checkOffloadAuth(v any) error {
	name, cookie := strings.CutPrefix(v.(string), "cookie:")
	if cookie && name != "" && !strings.ContainsAny(name, " ;=,\t") || name == "none" || name == "authorization" {
		return nil
	}
	return errors.New("it should be authorization, none or cookie:NAME")
}

func checkOffloadListen(v any) error {
	if v.(string) == "" {
		return nil
	}
	if _, _, err := net.SplitHostPort(v.(string)); err != nil {
		return errors.New("it should be HOST:PORT")
	}
	return nil
}

// Jobs reports whether the server has to do with jobs at all.
func (c *Config) Jobs() bool {
	return len(c.Offload) > 0 || len(c.OffloadConnect) > 0 || c.OffloadListen != "" || len(c.OffloadCluster) > 0 || c.Tasks
}

// checkJobs checks what depends on several settings.
func (l *loader) checkJobs(cfg *Config, resolved map[string]setting) error {
	embedded := len(cfg.OffloadConnect) == 0
	switch {
	case cfg.NoBind && embedded:
		return resolved["no_bind"].error(errors.New("a server that listens nowhere needs a queue to take jobs from: offload_connect is not set"))
	case cfg.OffloadCreds != "" && embedded:
		return resolved["offload_creds"].error(errors.New("they are shown to the servers of offload_connect, which is not set"))
	case (cfg.OffloadTLSCert == "") != (cfg.OffloadTLSKey == ""):
		return resolved["offload_tls_cert"].error(errors.New("offload_tls_cert and offload_tls_key go together"))
	}
	for key, addrs := range map[string][]string{"offload_listen": {cfg.OffloadListen}, "offload_cluster": cfg.OffloadCluster} {
		if len(addrs) == 0 || addrs[0] == "" {
			continue
		}
		if err := cfg.mayListen(addrs[0]); err != nil {
			return resolved[key].error(err)
		}
	}
	return nil
}

// mayListen reports whether the engine may be reached at an address from outside.
func (c *Config) mayListen(addr string) error {
	switch {
	case len(c.OffloadConnect) > 0:
		return errors.New("the queue is another server's, as offload_connect says: there is nothing to listen for")
	case c.OffloadKey == "":
		return errors.New("others need a key to join: offload_key is not set (girin offload keygen makes one)")
	}
	host, _, _ := net.SplitHostPort(addr)
	if ip := net.ParseIP(host); host == "localhost" || ip != nil && ip.IsLoopback() || c.OffloadTLSCert != "" {
		return nil
	}
	return errors.New("outside loopback it needs offload_tls_cert and offload_tls_key: the queue holds requests with their cookies")
}
