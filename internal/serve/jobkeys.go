package serve

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nkeys"

	"girin/internal/config"
)

// readKey reads a file that girin offload keygen has made; nil: there is none.
func readKey(path string) (nkeys.KeyPair, error) {
	if path == "" {
		return nil, nil
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("offload_key: %w", err)
	}
	pair, err := nkeys.ParseDecoratedNKey(text)
	if err != nil {
		return nil, fmt.Errorf("offload_key %s: %w (girin offload keygen FILE makes one)", path, err)
	}
	return pair, nil
}

// warnOfOpenKeys says which of the files that hold a key everybody on this machine can read.
func (s *server) warnOfOpenKeys() {
	c := s.cfg
	for _, key := range []struct{ option, path string }{
		{"offload_key", c.OffloadKey}, {"offload_tls_key", c.OffloadTLSKey}, {"offload_creds", c.OffloadCreds}, {"offload_callback_key", c.OffloadCallbackKey},
	} {
		info, err := os.Stat(key.path)
		if key.path != "" && err == nil && info.Mode().Perm()&0o004 != 0 {
			s.log.Warningf("%s: all users of this machine can read %s (mode %04o): chmod 600 %s", key.option, key.path, info.Mode().Perm(), key.path)
		}
	}
}

// shown is how a key is shown to an engine, and its public half.
func shown(pair nkeys.KeyPair) (nats.Option, string, error) {
	public, err := pair.PublicKey()
	if err != nil {
		return nil, "", fmt.Errorf("a key of jobs: %w", err)
	}
	return nats.Nkey(public, pair.Sign), public, nil
}

// joining is how another's engine is reached.
func joining(c *config.Config, key nkeys.KeyPair) (options []nats.Option, err error) {
	if c.OffloadTLSCA != "" {
		options = append(options, nats.RootCAs(c.OffloadTLSCA))
	}
	if c.OffloadTLSCert != "" {
		options = append(options, nats.ClientCert(c.OffloadTLSCert, c.OffloadTLSKey))
	}
	if c.OffloadCreds != "" {
		if _, err := os.Stat(c.OffloadCreds); err != nil {
			return nil, fmt.Errorf("offload_creds: %w", err)
		}
		options = append(options, nats.UserCredentials(c.OffloadCreds))
	}
	if key == nil {
		return options, nil
	}
	option, _, err := shown(key)
	return append(options, option), err
}

// pinnedTo trusts the engine's own certificate alone, whatever names it is for.
func pinnedTo(cert, key string) (*tls.Config, error) {
	pair, err := tls.LoadX509KeyPair(cert, key)
	if err != nil {
		return nil, err
	}
	return &tls.Config{
		InsecureSkipVerify: true, // the certificate itself is compared
		VerifyPeerCertificate: func(raw [][]byte, _ [][]*x509.Certificate) error {
			if len(raw) == 0 || string(raw[0]) != string(pair.Certificate[0]) {
				return errors.New("the engine shows another certificate than offload_tls_cert")
			}
			return nil
		},
	}, nil
}
