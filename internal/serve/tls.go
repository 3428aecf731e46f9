package serve

import (
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
	s.tls, err = front.OpenTLS(front.TLSOptions{
		CertFile: c.CertFile, KeyFile: c.KeyFile, CAFile: c.CACerts,
		Clients: front.ClientCerts(c.CertReqs), Ciphers: cipherNames(c.Ciphers), Protocols: alpn(c.HTTPProtocols),
		Log: s.log,
	})
	return err
}

// usesContext reports whether the hook ssl_context has a say.
func usesContext(c *config.Config) bool { return c.TLS() && slices.Contains(c.Hooks, contextHook) }

const contextHook = "ssl_context"

// takeContext does what the context would that the hook ssl_context has made.
func (s *server) takeContext(made *arbiter.TLS) error {
	if made == nil || s.tls == nil {
		return nil
	}
	for _, text := range made.Warnings {
		s.log.Warningf("%s: %s", contextHook, text)
	}
	err := s.tls.Adjust(func(o *front.TLSOptions) {
		o.MinVersion, o.MaxVersion, o.NoTickets = made.Minimum, made.Maximum, !made.Tickets
		o.Clients, o.Authorities, o.Allowed = front.ClientCerts(made.Verify), made.Authorities, made.Ciphers
		if made.CertFile != "" {
			o.CertFile, o.KeyFile = made.CertFile, made.KeyFile
		}
		if made.Protocols != nil {
			o.Protocols = slices.DeleteFunc(o.Protocols, func(p string) bool { return !slices.Contains(made.Protocols, p) })
		}
	})
	if err != nil {
		return fmt.Errorf("%s: %w", contextHook, err)
	}
	return nil
}

// reloadTLS reads the certificate anew.
func (s *server) reloadTLS() {
	if s.tls != nil {
		s.tls.Reload()
	}
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
