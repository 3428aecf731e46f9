package front

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509/pkix"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"
)

func testContext(t *testing.T, d time.Duration) (context.Context, context.CancelFunc) {
	t.Helper()
	return context.WithTimeout(context.Background(), d)
}

// roundTrip sends a request as it stands and reads one response.
func roundTrip(t *testing.T, nc net.Conn, request string) (*http.Response, string) {
	t.Helper()
	if _, err := io.WriteString(nc, request); err != nil {
		t.Fatal(err)
	}
	res, err := http.ReadResponse(bufio.NewReader(nc), nil)
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatalf("body: %v, after %q", err, body)
	}
	return res, string(body)
}

const simpleGet = "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"

func wantLines(t *testing.T, text string, lines ...string) {
	t.Helper()
	for _, line := range lines {
		if !strings.Contains("\n"+text, "\n"+line+"\n") {
			t.Errorf("there is no line %q in:\n%s", line, text)
		}
	}
}

func wantNoLine(t *testing.T, text string, prefixes ...string) {
	t.Helper()
	for _, prefix := range prefixes {
		if strings.Contains("\n"+text, "\n"+prefix) {
			t.Errorf("there is a line that begins with %q in:\n%s", prefix, text)
		}
	}
}

func TestTLSTellsTheApplication(t *testing.T) {
	a := newAuthority(t)
	s := serveApp(t, answerEnviron, a.files(t).secure(t))
	nc := s.dialTLS(t, &tls.Config{RootCAs: a.pool(), ServerName: "localhost", MaxVersion: tls.VersionTLS12,
		CipherSuites: []uint16{tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384}})
	for range 2 { // what is told of a connection is told with each request
		_, env := roundTrip(t, nc, simpleGet)
		wantLines(t, env, "HTTPS=on", "SSL_PROTOCOL=TLSv1.2", "SSL_CIPHER=ECDHE-ECDSA-AES256-GCM-SHA384",
			"SSL_TLS_SNI=localhost", "SSL_CLIENT_VERIFY=NONE", "SSL_SESSION_RESUMED=Initial")
		wantNoLine(t, env, "SSL_CLIENT_S_DN")
	}
}

func TestTLSRefusesOldVersions(t *testing.T) {
	a := newAuthority(t)
	s := serveApp(t, answerEnviron, a.files(t).secure(t))
	_, err := tls.Dial("tcp", s.addr, &tls.Config{RootCAs: a.pool(), MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11})
	if err == nil {
		t.Error("TLS 1.1 was accepted")
	}
}

func TestClientCertificates(t *testing.T) {
	a, other := newAuthority(t), newAuthority(t)
	name := pkix.Name{CommonName: "Ada", Organization: []string{"Girin, Ltd"}}
	good, foreign := a.client(t, name), other.client(t, name)
	for _, test := range []struct {
		name  string
		want  ClientCerts
		certs []tls.Certificate
		line  string // of the environ; "": refused
	}{
		{"none wanted, none sent", NoClientCert, nil, "SSL_CLIENT_VERIFY=NONE"},
		{"none wanted, one sent", NoClientCert, []tls.Certificate{good}, "SSL_CLIENT_VERIFY=NONE"},
		{"optional, none sent", OptionalClientCert, nil, "SSL_CLIENT_VERIFY=NONE"},
		{"optional, a good one", OptionalClientCert, []tls.Certificate{good}, `SSL_CLIENT_S_DN=CN=Ada,O=Girin\, Ltd`},
		{"optional, a foreign one", OptionalClientCert, []tls.Certificate{foreign}, ""},
		{"required, none sent", RequireClientCert, nil, ""},
		{"required, a good one", RequireClientCert, []tls.Certificate{good}, "SSL_CLIENT_VERIFY=SUCCESS"},
	} {
		t.Run(test.name, func(t *testing.T) {
			f := a.files(t)
			s := serveApp(t, answerEnviron, f.secure(t, func(o *TLSOptions) { o.Clients, o.CAFile = test.want, f.ca }))
			nc, err := tls.Dial("tcp", s.addr, &tls.Config{RootCAs: a.pool(), GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
				if len(test.certs) == 0 {
					return new(tls.Certificate), nil
				}
				return &test.certs[0], nil // even one that the server would not want
			}})
			if err != nil {
				t.Fatal(err)
			}
			defer nc.Close()
			if test.line == "" {
				_, _ = io.WriteString(nc, simpleGet)
				if n, err := nc.Read(make([]byte, 1)); err == nil {
					t.Errorf("%d bytes were answered", n)
				}
				return
			}
			_, env := roundTrip(t, nc, simpleGet)
			wantLines(t, env, test.line)
			if test.want != NoClientCert && len(test.certs) > 0 {
				wantLines(t, env, "SSL_CLIENT_I_DN=CN=Test Authority,O=Girin", "SSL_CLIENT_S_DN_CN=Ada",
					"SSL_CLIENT_V_START=Jan  2 03:04:05 2020 GMT", "SSL_CLIENT_V_END=Jan  2 03:04:05 2120 GMT")
			}
		})
	}
}

// A NUL ends a string of the environ's usual form: without care, a certificate
// or a client's greeting would add keys of its choice.
func TestNULInACertificateInjectsNoKeys(t *testing.T) {
	a := newAuthority(t)
	f := a.files(t)
	const evil = "eve\x00REMOTE_USER\x00admin"
	calls := make(chan *appCall, 1)
	s := serveApp(t, func(c *appCall) { calls <- c; c.answer("200 OK", "") },
		f.secure(t, func(o *TLSOptions) { o.Clients, o.CAFile = RequireClientCert, f.ca }))
	nc := s.dialTLS(t, &tls.Config{RootCAs: a.pool(), Certificates: []tls.Certificate{a.client(t, pkix.Name{CommonName: evil})}})
	roundTrip(t, nc, simpleGet)
	c := <-calls
	if user, ok := c.environ["REMOTE_USER"]; ok {
		t.Errorf("REMOTE_USER is %q", user)
	}
	if got := c.environ["SSL_CLIENT_S_DN_CN"]; got != evil {
		t.Errorf("SSL_CLIENT_S_DN_CN is %q", got)
	}
	if len(c.environ) != c.pairs {
		t.Errorf("%d pairs, %d keys", c.pairs, len(c.environ))
	}
}

func TestCertificateIsReadAnewWhenItsFilesChange(t *testing.T) {
	a := newAuthority(t)
	f := a.files(t)
	s := serveApp(t, answerEnviron, f.secure(t))
	name := func() string {
		s.cfg.TLS.looked.Store(0) // the last look was long ago
		nc := s.dialTLS(t, &tls.Config{RootCAs: a.pool()})
		defer nc.Close()
		return nc.ConnectionState().PeerCertificates[0].Subject.CommonName
	}
	if got := name(); got != "first" {
		t.Fatalf("the certificate is %q", got)
	}
	certPEM, keyPEM := a.server(t, "second")
	write(t, f.cert, certPEM) // the key does not fit now
	if got := name(); got != "first" {
		t.Errorf("with half of the files changed the certificate is %q", got)
	}
	s.log.wait(t, "stays as it was")
	write(t, f.key, keyPEM)
	if got := name(); got != "second" {
		t.Errorf("the certificate is %q, want the second", got)
	}
}

func TestReloadReadsTheCertificate(t *testing.T) {
	a := newAuthority(t)
	f := a.files(t)
	s := serveApp(t, answerEnviron, f.secure(t))
	certPEM, keyPEM := a.server(t, "second")
	f.put(t, certPEM, keyPEM)
	s.cfg.TLS.Reload()
	if got := s.dialTLS(t, &tls.Config{RootCAs: a.pool()}).ConnectionState().PeerCertificates[0].Subject.CommonName; got != "second" {
		t.Errorf("the certificate is %q", got)
	}
}

// A session must not outlive the certificates it was made with: who signed the
// client's may no longer be trusted.
func TestSessionsEndWithTheCertificate(t *testing.T) {
	a := newAuthority(t)
	f := a.files(t)
	s := serveApp(t, answerEnviron, f.secure(t))
	c := &tls.Config{RootCAs: a.pool(), ServerName: "localhost", ClientSessionCache: tls.NewLRUClientSessionCache(1)}
	resumed := func() string {
		nc := s.dialTLS(t, c)
		defer nc.Close()
		_, env := roundTrip(t, nc, simpleGet) // reads the ticket, too
		_, state, _ := strings.Cut(env, "SSL_SESSION_RESUMED=")
		return strings.SplitN(state, "\n", 2)[0]
	}
	if first, second := resumed(), resumed(); first != "Initial" || second != "Resumed" {
		t.Errorf("sessions are %s, then %s", first, second)
	}
	certPEM, keyPEM := a.server(t, "second")
	f.put(t, certPEM, keyPEM)
	s.cfg.TLS.Reload()
	if third := resumed(); third != "Initial" {
		t.Errorf("after a reload the session is %s", third)
	}
}

func TestOpenTLSNamesWhatIsWrong(t *testing.T) {
	a := newAuthority(t)
	f := a.files(t)
	otherCert, _ := a.server(t, "other")
	other := f.dir + "/other.pem"
	write(t, other, otherCert)
	for name, test := range map[string]struct {
		o    TLSOptions
		want string
	}{
		"no certificate":    {TLSOptions{CertFile: f.dir + "/none.pem", KeyFile: f.key}, "none.pem"},
		"no key":            {TLSOptions{CertFile: f.cert}, f.cert},
		"foreign key":       {TLSOptions{CertFile: other, KeyFile: f.key}, "private key does not match"},
		"authority":         {TLSOptions{CertFile: f.cert, KeyFile: f.key, CAFile: f.key}, "ca_certs"},
		"unknown suite":     {TLSOptions{CertFile: f.cert, KeyFile: f.key, Ciphers: []string{"HIGH"}}, `ciphers: "HIGH"`},
		"an insecure suite": {TLSOptions{CertFile: f.cert, KeyFile: f.key, Ciphers: []string{"RC4-SHA"}}, "ECDHE-RSA-AES128-GCM-SHA256"},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := OpenTLS(test.o); err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("the error is %v, want one with %q", err, test.want)
			}
		})
	}
}

func TestCiphersAreChosen(t *testing.T) {
	a := newAuthority(t)
	s := serveApp(t, answerEnviron, a.files(t).secure(t, func(o *TLSOptions) {
		o.Ciphers = []string{"ECDHE-ECDSA-CHACHA20-POLY1305", "TLS_AES_128_GCM_SHA256"}
	}))
	nc := s.dialTLS(t, &tls.Config{RootCAs: a.pool(), MaxVersion: tls.VersionTLS12})
	_, env := roundTrip(t, nc, simpleGet)
	wantLines(t, env, "SSL_CIPHER=ECDHE-ECDSA-CHACHA20-POLY1305")
}

func TestWhatAContextOfPythonsSays(t *testing.T) {
	a := newAuthority(t)
	var plain TLSOptions
	s := serveApp(t, answerEnviron, a.files(t).secure(t, func(o *TLSOptions) { plain = *o }))
	for name, test := range map[string]struct {
		change   func(*TLSOptions)
		versions []uint16 // those that are spoken
	}{
		"nothing":       {func(*TLSOptions) {}, []uint16{tls.VersionTLS12, tls.VersionTLS13}},
		"from 1.3":      {func(o *TLSOptions) { o.MinVersion, o.Allowed = tls.VersionTLS13, []string{} }, []uint16{tls.VersionTLS13}},
		"up to 1.2":     {func(o *TLSOptions) { o.MaxVersion = tls.VersionTLS12 }, []uint16{tls.VersionTLS12}},
		"no old one":    {func(o *TLSOptions) { o.MinVersion = tls.VersionTLS10 }, []uint16{tls.VersionTLS12, tls.VersionTLS13}},
		"ciphers known": {func(o *TLSOptions) { o.Allowed = []string{"PSK-NULL-SHA", "ECDHE-ECDSA-AES128-GCM-SHA256"} }, []uint16{tls.VersionTLS12, tls.VersionTLS13}},
		"nobody signs":  {func(o *TLSOptions) { o.Clients, o.Authorities = RequireClientCert, [][]byte{} }, nil},
	} {
		t.Run(name, func(t *testing.T) {
			o := plain
			test.change(&o)
			if err := s.cfg.TLS.Adjust(o); err != nil {
				t.Fatal(err)
			}
			for _, version := range []uint16{tls.VersionTLS11, tls.VersionTLS12, tls.VersionTLS13} {
				nc, err := tls.Dial("tcp", s.addr, &tls.Config{RootCAs: a.pool(), MinVersion: version, MaxVersion: version})
				if err == nil {
					_, err = nc.Write([]byte(simpleGet))
					if err == nil {
						_, err = nc.Read(make([]byte, 1))
					}
					nc.Close()
				}
				if (err == nil) != slices.Contains(test.versions, version) {
					t.Errorf("%s: %v", tls.VersionName(version), err)
				}
			}
		})
	}
	if err := s.cfg.TLS.Adjust(plain); err != nil {
		t.Fatal(err)
	}
	before := s.cfg.TLS.config()
	wrong := plain
	wrong.Allowed = []string{"PSK-NULL-SHA"}
	if err := s.cfg.TLS.Adjust(wrong); err == nil || s.cfg.TLS.config() != before {
		t.Errorf("no cipher is left: %v, and connections are encrypted otherwise: %v", err, s.cfg.TLS.config() != before)
	}
	s.cfg.TLS.Reload() // as before, too
	if c := s.cfg.TLS.config(); len(c.CipherSuites) != len(before.CipherSuites) {
		t.Errorf("what was refused counts after all: %v", c.CipherSuites)
	}
}

func TestCleartextOnATLSPortIsTold(t *testing.T) {
	a := newAuthority(t)
	s := serveApp(t, answerEnviron, a.files(t).secure(t))
	nc, err := net.Dial("tcp", s.addr)
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	if res, body := roundTrip(t, nc, simpleGet); res.StatusCode != 400 || !strings.Contains(body, "HTTPS") {
		t.Errorf("the answer is %s, %q", res.Status, body)
	}
}

// A response that ends with the connection must not look whole when it is cut.
func TestCutResponseOverTLSHasNoCloseNotify(t *testing.T) {
	a := newAuthority(t)
	s := serveApp(t, func(c *appCall) {
		c.start("200 OK")
		c.block([]byte("half"))
		c.fail()
	}, a.files(t).secure(t))
	nc := s.dialTLS(t, &tls.Config{RootCAs: a.pool()})
	if _, err := io.WriteString(nc, "GET / HTTP/1.0\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	if b, err := io.ReadAll(nc); err == nil {
		t.Errorf("the response looks whole: %q", b)
	}
}

func TestCutResponseInCleartextIsReset(t *testing.T) {
	s := serveApp(t, func(c *appCall) {
		c.start("200 OK")
		c.block([]byte("half"))
		c.fail()
	})
	nc, err := net.Dial("tcp", s.addr)
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	if _, err := io.WriteString(nc, "GET / HTTP/1.0\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	if b, err := io.ReadAll(nc); err == nil {
		t.Errorf("the response looks whole: %q", b)
	}
}

func TestWholeResponseOverTLSEndsWithCloseNotify(t *testing.T) {
	a := newAuthority(t)
	s := serveApp(t, func(c *appCall) {
		c.start("200 OK")
		c.block([]byte("all"))
		c.end()
	}, a.files(t).secure(t))
	nc := s.dialTLS(t, &tls.Config{RootCAs: a.pool()})
	if _, err := io.WriteString(nc, "GET / HTTP/1.0\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	if b, err := io.ReadAll(nc); err != nil || !strings.HasSuffix(string(b), "\r\n\r\nall") {
		t.Errorf("the response is %q, %v", b, err)
	}
}

func TestHandshakeHasADeadline(t *testing.T) {
	a := newAuthority(t)
	f := a.files(t)
	virtual(t, nil, func(t *testing.T, s *served, connect func() net.Conn) {
		rest, took := ends(connect())
		if rest != "" || took < handshakeLimit || took > handshakeLimit+4*sweepEvery {
			t.Errorf("a silent client's handshake ended after %v with %q, the limit is %v", took, rest, handshakeLimit)
		}
	}, f.secure(t))
}

func TestLargeResponseOverTLSWaitsForTheClient(t *testing.T) {
	a := newAuthority(t)
	block := make([]byte, 64<<10)
	const blocks = 64
	s := serveApp(t, func(c *appCall) {
		c.start("200 OK", "Content-Length", "4194304")
		credit := int64(256 << 10)
		for range blocks {
			for credit < int64(len(block)) {
				credit += int64(<-c.granted)
			}
			credit -= int64(len(block))
			c.block(block)
		}
		c.end()
	}, a.files(t).secure(t))
	nc := s.dialTLS(t, &tls.Config{RootCAs: a.pool()})
	if _, body := roundTrip(t, nc, simpleGet); len(body) != blocks*len(block) {
		t.Errorf("the body has %d bytes", len(body))
	}
	waitFor(t, func() bool { return s.queued.Load() == 0 }) // the last write may not have returned
}
