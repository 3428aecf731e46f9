package serve

import (
	"cmp"
	"fmt"
	"net"
	"net/http"

	"girin/internal/config"
	"girin/internal/jobs/page"
	"girin/internal/jobs/webhook"
	"girin/internal/program"
)

// openHooks makes what tells others of the ends of jobs; nil: the settings name nobody.
func openHooks(c *config.Config) (*webhook.Sender, error) {
	if len(c.OffloadCallback) == 0 {
		return nil, nil
	}
	s, err := webhook.New(webhook.Config{
		Hosts: c.OffloadCallback, Private: c.OffloadCallbackPrivate, KeyFile: c.OffloadCallbackKey, Agent: "girin/" + program.Version(),
	})
	if err != nil {
		return nil, fmt.Errorf("offload_callback_key: %w", err)
	}
	return s, nil
}

// withJobsPage adds the jobs page to what the listener of metrics answers, if the settings
// want it.
func (s *server) withJobsPage(scrapes http.Handler) http.Handler {
	if !s.cfg.JobsPage || s.work == nil {
		return scrapes
	}
	hosts := s.cfg.JobsPageHosts
	if a, err := config.ParseAddress(s.cfg.Metrics); err == nil {
		if host, _, err := net.SplitHostPort(a.Addr); err == nil && host != "" {
			hosts = append(hosts, host)
		}
	}
	mux := http.NewServeMux()
	mux.Handle("/", scrapes)
	mux.Handle(page.Path, page.New(page.Config{App: cmp.Or(s.cfg.ProcName, s.cfg.App), Hosts: hosts, Inside: s.work.node.Inside()}))
	s.log.Infof("Jobs page at: %s%s", urlOf(s.scrapes, false), page.Path)
	if tcp, ok := s.scrapes.Addr().(*net.TCPAddr); ok && !tcp.IP.IsLoopback() {
		s.log.Warningf("Whoever reaches %s may cancel jobs and run them again on the jobs page: it has no password", s.scrapes.Addr())
	}
	return mux
}
