package serve

import (
	"slices"
	"strings"

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
