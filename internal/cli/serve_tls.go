package cli

import (
	"net/netip"
	"slices"
	"strings"

	"girin/internal/config"
	"girin/internal/front"
	"girin/internal/wire"
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

func http2Options(c *config.Config) front.HTTP2Options {
	return front.HTTP2Options{
		MaxStreams: c.HTTP2MaxStreams, Window: c.HTTP2Window, MaxFrame: c.HTTP2MaxFrame, MaxHeaderList: c.HTTP2MaxHeaderList,
	}
}

// cells is how many requests there may be at once: one for each connection, or
// of HTTP/2 one for each stream.
func (s *server) cells() int {
	if s.tls != nil && slices.Contains(s.cfg.HTTPProtocols, "h2") {
		return wire.FlagTable - 1
	}
	return min(maxFiles(), wire.FlagTable-1)
}

func proxyProtocol(c *config.Config) front.ProxyProtocol {
	versions := map[string]front.ProxyVersions{
		"v1": front.ProxyV1, "v2": front.ProxyV2, "auto": front.ProxyV1 | front.ProxyV2,
	}
	return front.ProxyProtocol{Versions: versions[c.ProxyProtocol], Allow: peers(c.ProxyAllowIPs)}
}

// peers reads addresses and networks. They were checked when the configuration
// was loaded.
func peers(list []string) (p front.Peers) {
	for _, text := range list {
		if text == "*" {
			p.All = true
		} else if n, err := netip.ParsePrefix(text); err == nil {
			p.Networks = append(p.Networks, n)
		} else if a, err := netip.ParseAddr(text); err == nil {
			p.Networks = append(p.Networks, netip.PrefixFrom(a, a.BitLen()))
		}
	}
	return p
}
