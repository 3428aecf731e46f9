package front

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"girin/internal/logs"
)

// TLSOptions say how connections are encrypted.
type TLSOptions struct {
	CertFile  string // the certificate and its chain, PEM
	KeyFile   string // "": the key is in CertFile
	CAFile    string // who signs clients' certificates; "" only without ClientCerts
	Clients   ClientCerts
	Ciphers   []string // of TLS 1.2, by OpenSSL's names; none: Go's choice
	Protocols []string // for ALPN, the most preferred first; none: no ALPN
	Log       *logs.ErrorLog

	MinVersion, MaxVersion uint16   // as crypto/tls has them; 0: TLS 1.2, the newest
	NoTickets              bool     // sessions are not resumed
	Authorities            [][]byte // DER; in place of those in CAFile, unless nil
	Allowed                []string // in place of Ciphers, unless nil: those of them that there are
}

// ClientCerts says whether a client needs a certificate, with the values of
// Python's ssl.VerifyMode.
type ClientCerts int

// Whether clients need certificates.
const (
	NoClientCert       ClientCerts = 0
	OptionalClientCert ClientCerts = 1 // one that is sent must be good
	RequireClientCert  ClientCerts = 2
)

// TLS holds the certificate as its files say. It looks at them again when told
// to, and at most once a second when connections come.
type TLS struct {
	current atomic.Pointer[tls.Config]
	looked  atomic.Int64 // Unix seconds of the last look at the files

	mu     sync.Mutex
	opts   TLSOptions // guarded by mu
	stamps []stamp    // guarded by mu: of the files as they were read last
}

// OpenTLS reads the files.
func OpenTLS(o TLSOptions) (*TLS, error) {
	t := &TLS{opts: o}
	t.looked.Store(time.Now().Unix())
	t.mu.Lock()
	defer t.mu.Unlock()
	if _, err := t.readLocked(); err != nil {
		return nil, err
	}
	return t, nil
}

// Adjust takes other options and reads the files that they name, for the connections that
// come from now on. If that fails all stays as it was.
func (t *TLS) Adjust(o TLSOptions) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	opts, stamps := t.opts, t.stamps
	t.opts, t.stamps = o, nil
	_, err := t.readLocked()
	if err != nil {
		t.opts, t.stamps = opts, stamps
	}
	return err
}

// CertFile is the file of the certificate.
func (t *TLS) CertFile() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.opts.CertFile
}

// Reload reads the files anew. What was read before stays if that fails, which
// is logged.
func (t *TLS) Reload() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.stamps = nil
	t.refreshLocked()
}

// config returns how the next connection is encrypted.
func (t *TLS) config() *tls.Config {
	now := time.Now().Unix()
	if last := t.looked.Load(); last != now && t.looked.CompareAndSwap(last, now) {
		t.mu.Lock()
		t.refreshLocked()
		t.mu.Unlock()
	}
	return t.current.Load()
}

func (t *TLS) refreshLocked() {
	read, err := t.readLocked()
	switch {
	case err != nil:
		t.opts.Log.Errorf("TLS: %v; the certificate stays as it was", err)
	case read:
		t.opts.Log.Infof("TLS: the certificate was read anew from %s", t.opts.CertFile)
	}
}

// readLocked makes a new configuration if the files are not those that were
// read last, whether or not these were good. A new one has ticket keys of its
// own, so that no session outlives the certificates it was made with.
func (t *TLS) readLocked() (read bool, err error) {
	stamps := t.stampsOf()
	if slices.Equal(stamps, t.stamps) {
		return false, nil
	}
	t.stamps = stamps
	config, err := t.opts.load()
	if err != nil {
		return false, err
	}
	t.current.Store(config)
	return true, nil
}

// stamp tells whether a file is still the same. A new inode is what a renamed
// file or symbolic link shows.
type stamp struct {
	inode    uint64
	size     int64
	modified int64
}

func (t *TLS) stampsOf() (stamps []stamp) {
	for _, path := range []string{t.opts.CertFile, t.opts.KeyFile, t.opts.CAFile} {
		var s stamp
		if info, err := os.Stat(path); path != "" && err == nil {
			s = stamp{size: info.Size(), modified: info.ModTime().UnixNano()}
			if st, ok := info.Sys().(*syscall.Stat_t); ok {
				s.inode = st.Ino
			}
		}
		stamps = append(stamps, s)
	}
	return stamps
}

func (o *TLSOptions) load() (*tls.Config, error) {
	keyFile := o.KeyFile
	if keyFile == "" {
		keyFile = o.CertFile
	}
	cert, err := tls.LoadX509KeyPair(o.CertFile, keyFile)
	if err != nil {
		return nil, fmt.Errorf("certfile %s and keyfile %s: %w", o.CertFile, keyFile, err)
	}
	c := &tls.Config{
		MinVersion: max(o.MinVersion, tls.VersionTLS12), MaxVersion: o.MaxVersion, SessionTicketsDisabled: o.NoTickets,
		Certificates: []tls.Certificate{cert}, NextProtos: o.Protocols,
	}
	if c.CipherSuites, err = o.suites(c.MinVersion); err != nil {
		return nil, err
	}
	switch o.Clients {
	case OptionalClientCert:
		c.ClientAuth = tls.VerifyClientCertIfGiven
	case RequireClientCert:
		c.ClientAuth = tls.RequireAndVerifyClientCert
	}
	if o.Authorities != nil {
		c.ClientCAs = x509.NewCertPool()
		for _, der := range o.Authorities {
			authority, err := x509.ParseCertificate(der)
			if err != nil {
				return nil, fmt.Errorf("the certificate of an authority: %w", err)
			}
			c.ClientCAs.AddCert(authority)
		}
	} else if o.CAFile != "" {
		if c.ClientCAs, err = readAuthorities(o.CAFile); err != nil {
			return nil, err
		}
	}
	return c, nil
}

func readAuthorities(path string) (*x509.CertPool, error) {
	pem, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("ca_certs: %w", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("ca_certs: %s holds no certificate in PEM form", path)
	}
	return pool, nil
}

// handshake does the TLS handshake and notes what the application is told of
// it. Clients fail at it all the time, so it is worth no more than a debug line.
func (c *conn) handshake() bool {
	c.stage.enter(stageHandshake)
	err := c.tls.Handshake()
	c.flush()
	if err != nil {
		c.srv.cfg.Log.Debugf("TLS handshake with %s: %v", c.peer.addr, err)
		c.answerCleartext(err)
		c.waitOutput()
		return false
	}
	c.stage.enter(stageNew)
	state := c.tls.ConnectionState()
	if c.srv.asgi.Load() {
		c.peer.tls = tlsExtension(&state, c.srv.cfg.TLS.config())
	} else {
		c.peer.facts = append(c.peer.facts, tlsFacts(&state)...)
	}
	return true
}

// answerCleartext tells a client that speaks HTTP where TLS is spoken.
func (c *conn) answerCleartext(err error) {
	var header tls.RecordHeaderError
	if !errors.As(err, &header) || header.Conn == nil || !looksLikeHTTP(header.RecordHeader) {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.passLocked([]byte("HTTP/1.0 400 Bad Request\r\nConnection: close\r\nContent-Type: text/plain\r\n\r\n" +
		"this port speaks HTTPS\n"))
}

func looksLikeHTTP(record [5]byte) bool {
	switch string(record[:]) {
	case "GET /", "HEAD ", "POST ", "PUT /", "OPTIO", "DELET", "PATCH":
		return true
	}
	return false
}

// cut ends a connection so that the client sees that the response is not
// whole: without TLS's close_notify, which would say that it is (RFC 8446
// section 6.1), and by a reset where the end of the connection is the end of
// the body (RFC 9112 section 6.3).
func (c *conn) cut() {
	if tcp, ok := c.nc.(interface{ SetLinger(int) error }); ok && !c.reply.chunked && c.reply.remain < 0 {
		_ = tcp.SetLinger(0)
	}
	if c.over != nil {
		c.over.cut.Store(true)
	}
	c.closeSoon()
}
