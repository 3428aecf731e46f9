package serve

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"girin/internal/arbiter"
	"girin/internal/config"
	"girin/internal/front"
)

// openTLS reads the certificate while the server may still read what only root
// can.
func (s *server) openTLS() (err error) {
	c := s.cfg
	if !c.TLS() {
		return nil
	}
	s.tls, err = front.OpenTLS(s.tlsOptions(c))
	return err
}

// tlsOptions are what the settings say. The protocols stay those of the start.
func (s *server) tlsOptions(c *config.Config) front.TLSOptions {
	return front.TLSOptions{
		CertFile: c.CertFile, KeyFile: c.KeyFile, CAFile: c.CACerts,
		Clients: front.ClientCerts(c.CertReqs), Ciphers: cipherNames(c.Ciphers), Protocols: alpn(s.cfg.HTTPProtocols),
		Log: s.log,
	}
}

// ofTLS are the settings that a reload can change of a server that speaks TLS, and still is to.
var ofTLS = []string{"certfile", "keyfile", "ca_certs", "cert_reqs", "ciphers", contextHook}

// usesContext reports whether the hook ssl_context has a say.
func usesContext(c *config.Config) bool { return c.TLS() && slices.Contains(c.Hooks, contextHook) }

const contextHook = "ssl_context"

// takeContext does what the settings say and what the context would that the hook ssl_context
// has made; nil: there is no such hook.
func (s *server) takeContext(c *config.Config, made *arbiter.TLS) error {
	options := s.tlsOptions(c)
	if made == nil {
		return s.tls.Adjust(options)
	}
	for _, text := range made.Warnings {
		s.log.Warningf("%s: %s", contextHook, text)
	}
	asContext(&options, made)
	if err := s.tls.Adjust(options); err != nil {
		return fmt.Errorf("%s: %w", contextHook, err)
	}
	return nil
}

func asContext(o *front.TLSOptions, made *arbiter.TLS) {
	o.MinVersion, o.MaxVersion, o.NoTickets = made.Minimum, made.Maximum, !made.Tickets
	o.Clients, o.Authorities, o.Allowed = front.ClientCerts(made.Verify), made.Authorities, made.Ciphers
	if made.CertFile != "" {
		o.CertFile, o.KeyFile = made.CertFile, made.KeyFile
	}
	if made.Protocols != nil {
		o.Protocols = slices.DeleteFunc(o.Protocols, func(p string) bool { return !slices.Contains(made.Protocols, p) })
	}
}

// reloadTLS reads the certificate anew, and does from now on as the settings of a reload say.
func (s *server) reloadTLS(c *config.Config, made arbiter.Configured) {
	if s.tls == nil {
		return
	}
	if !c.TLS() {
		s.tls.Reload()
		return
	}
	err := errors.New(contextHook + ": " + made.NoTLS)
	if made.NoTLS == "" {
		err = s.takeContext(c, made.TLS)
	}
	if err != nil {
		s.log.Errorf("TLS: %v; the certificate stays as it was, and so does all else of TLS", err)
		return
	}
	s.log.Infof("TLS: the certificate was read anew from %s", s.tls.CertFile())
}

func cipherNames(list string) []string {
	return strings.FieldsFunc(list, func(r rune) bool { return strings.ContainsRune(":, ", r) })
}

// alpn are the protocols to offer. Without HTTP/2 there is no choice to offer.
func alpn(protocols []string) (offered []string) {
	if !slices.Contains(protocols, "h2") {
		return nil
	}
	for _, p := range protocols {
		offered = append(offered, map[string]string{"h1": "http/1.1", "h2": "h2"}[p])
	}
	return offered
}
