package front

import (
	"crypto/tls"
	"fmt"
	"strings"
)

// opensslNames are OpenSSL's names of the suites of TLS 1.2 that crypto/tls
// counts as secure. Those of TLS 1.3 have one name everywhere.
var opensslNames = map[uint16]string{
	tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256:       "ECDHE-ECDSA-AES128-GCM-SHA256",
	tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384:       "ECDHE-ECDSA-AES256-GCM-SHA384",
	tls.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256: "ECDHE-ECDSA-CHACHA20-POLY1305",
	tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256:         "ECDHE-RSA-AES128-GCM-SHA256",
	tls.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384:         "ECDHE-RSA-AES256-GCM-SHA384",
	tls.TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256:   "ECDHE-RSA-CHACHA20-POLY1305",
	tls.TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA:          "ECDHE-ECDSA-AES128-SHA",
	tls.TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA:          "ECDHE-ECDSA-AES256-SHA",
	tls.TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA:            "ECDHE-RSA-AES128-SHA",
	tls.TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA:            "ECDHE-RSA-AES256-SHA",
}

// cipherName is OpenSSL's name of a suite.
func cipherName(id uint16) string {
	if name, ok := opensslNames[id]; ok {
		return name
	}
	return tls.CipherSuiteName(id)
}

// cipherSuites finds suites by OpenSSL's name or the registered one. The
// suites of TLS 1.3 may be named, but are always on.
func cipherSuites(names []string) (ids []uint16, err error) {
	for _, name := range names {
		id, ok := cipherSuite(name)
		if !ok {
			return nil, fmt.Errorf("ciphers: %q is no secure suite of TLS 1.2; there are %s", name, strings.Join(cipherNames(), ":"))
		}
		ids = append(ids, id)
	}
	return ids, nil
}

// suites are the suites of TLS 1.2 from which a connection takes one.
func (o *TLSOptions) suites(lowest uint16) (ids []uint16, err error) {
	if o.Allowed == nil {
		return cipherSuites(o.Ciphers)
	}
	for _, name := range o.Allowed {
		if id, ok := cipherSuite(name); ok {
			ids = append(ids, id)
		}
	}
	if len(ids) == 0 && lowest < tls.VersionTLS13 {
		return nil, fmt.Errorf("none of its ciphers is a secure suite of TLS 1.2; there are %s", strings.Join(cipherNames(), ":"))
	}
	return ids, nil
}

func cipherSuite(name string) (id uint16, ok bool) {
	for _, suite := range tls.CipherSuites() {
		if name == suite.Name || name == opensslNames[suite.ID] {
			return suite.ID, true
		}
	}
	return 0, false
}

func cipherNames() (names []string) {
	for _, suite := range tls.CipherSuites() {
		if name, ok := opensslNames[suite.ID]; ok {
			names = append(names, name)
		}
	}
	return names
}
