package front

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// authority signs certificates.
type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	pem  []byte
	next int64
}

func newAuthority(t *testing.T) *authority {
	t.Helper()
	a := &authority{next: 0xabcde}
	a.cert = &x509.Certificate{IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign}
	a.cert, a.key, a.pem, _ = a.sign(t, a.cert, pkix.Name{CommonName: "Test Authority", Organization: []string{"Girin"}})
	return a
}

// sign makes a certificate of a template; of the authority itself if it has no
// key yet.
func (a *authority) sign(t *testing.T, template *x509.Certificate, subject pkix.Name) (cert *x509.Certificate, key *ecdsa.PrivateKey, certPEM, keyPEM []byte) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	a.next++
	template.SerialNumber, template.Subject = big.NewInt(a.next), subject
	template.NotBefore = time.Date(2020, 1, 2, 3, 4, 5, 0, time.UTC)
	template.NotAfter = time.Date(2120, 1, 2, 3, 4, 5, 0, time.UTC)
	parent, signer := a.cert, a.key
	if signer == nil {
		parent, signer = template, key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, &key.PublicKey, signer)
	if err != nil {
		t.Fatal(err)
	}
	if cert, err = x509.ParseCertificate(der); err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return cert, key, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}),
		pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER})
}

// server makes a certificate for localhost, whose name tells it from others.
func (a *authority) server(t *testing.T, name string) (certPEM, keyPEM []byte) {
	t.Helper()
	_, _, certPEM, keyPEM = a.sign(t, &x509.Certificate{
		DNSNames: []string{"localhost"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}, pkix.Name{CommonName: name})
	return certPEM, keyPEM
}

// client makes a client's certificate.
func (a *authority) client(t *testing.T, subject pkix.Name) tls.Certificate {
	t.Helper()
	_, _, certPEM, keyPEM := a.sign(t, &x509.Certificate{ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}}, subject)
	cert, err := tls.X509KeyPair(certPEM, keyPEM)
	if err != nil {
		t.Fatal(err)
	}
	return cert
}

func (a *authority) pool() *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(a.cert)
	return pool
}

// files are the files of a server's TLS.
type files struct{ dir, cert, key, ca string }

func (a *authority) files(t *testing.T) files {
	t.Helper()
	dir := t.TempDir()
	f := files{dir, filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem"), filepath.Join(dir, "ca.pem")}
	certPEM, keyPEM := a.server(t, "first")
	f.put(t, certPEM, keyPEM)
	write(t, f.ca, a.pem)
	return f
}

func (f files) put(t *testing.T, certPEM, keyPEM []byte) {
	t.Helper()
	write(t, f.cert, certPEM)
	write(t, f.key, keyPEM)
}

func write(t *testing.T, path string, content []byte) {
	t.Helper()
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
}

// secure makes a front speak TLS.
func (f files) secure(t *testing.T, change ...func(*TLSOptions)) func(*Config) {
	return func(c *Config) {
		t.Helper()
		o := TLSOptions{CertFile: f.cert, KeyFile: f.key, Log: c.Log}
		for _, g := range change {
			g(&o)
		}
		var err error
		if c.TLS, err = OpenTLS(o); err != nil {
			t.Fatal(err)
		}
	}
}

// dialTLS opens a connection to a front.
func (s *served) dialTLS(t *testing.T, c *tls.Config) *tls.Conn {
	t.Helper()
	nc, err := tls.Dial("tcp", s.addr, c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { nc.Close() })
	return nc
}

// client opens a connection of the kind that the front speaks.
func (s *served) client(t *testing.T, a *authority) net.Conn {
	t.Helper()
	if s.cfg.TLS == nil {
		return s.dial(t)
	}
	return s.dialTLS(t, &tls.Config{RootCAs: a.pool(), ServerName: "localhost"})
}
