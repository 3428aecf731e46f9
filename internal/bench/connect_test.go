package bench

import (
	"crypto/tls"
	"crypto/x509"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// A server that wants a certificate, under a name that no name server has: it is reached by --connect-to, trusted by its own
// authority, and answers nobody without the client's certificate.
func TestConnections(t *testing.T) {
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Host != "example.com:4433" {
			http.Error(w, r.Host, http.StatusMisdirectedRequest)
		}
	}))
	server.TLS = &tls.Config{ClientAuth: tls.RequireAnyClientCert}
	server.StartTLS()
	defer server.Close()
	roots := x509.NewCertPool()
	roots.AddCert(server.Certificate())
	whole := Options{Targets: []Target{{URL: "https://example.com:4433/"}}, Requests: 10, Clients: 2, ConnectTo: server.Listener.Addr().String(),
		RootCAs: roots, Certificates: server.TLS.Certificates, Network: "tcp4"}
	for name, tt := range map[string]struct {
		change func(*Options)
		ok     bool
	}{
		"all of it":       {func(*Options) {}, true},
		"HTTP/2 refused":  {func(o *Options) { o.HTTP2 = true }, false},
		"no trust":        {func(o *Options) { o.RootCAs = nil }, false},
		"no certificate":  {func(o *Options) { o.Certificates = nil }, false},
		"IPv6 to an IPv4": {func(o *Options) { o.Network = "tcp6" }, false},
	} {
		o := whole
		tt.change(&o)
		res, err := Run(t.Context(), o)
		if ok := err == nil && res.Requests.OK == 10; ok != tt.ok {
			t.Errorf("%s: %+v, %v", name, res, err)
		}
	}
}

// With KeepGoing a run outlives a server that is away for longer than a run usually waits.
func TestKeepGoing(t *testing.T) {
	t.Parallel()
	for _, keep := range []bool{false, true} {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		addr := l.Addr().String()
		handler := http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})
		first := &http.Server{Handler: handler}
		go func() { _ = first.Serve(l) }()
		back := make(chan *http.Server, 1)
		time.AfterFunc(300*time.Millisecond, func() { _ = first.Close() })
		time.AfterFunc(goneAfter+time.Second, func() {
			s := &http.Server{Handler: handler}
			if l, err := net.Listen("tcp", addr); err == nil {
				go func() { _ = s.Serve(l) }()
			}
			back <- s
		})
		res, err := Run(t.Context(), Options{Targets: []Target{{URL: "http://" + addr}}, Duration: goneAfter + 3*time.Second, Clients: 1, KeepGoing: keep})
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = (<-back).Close() }()
		if res.Partial == keep || res.Errors["connect"] == 0 {
			t.Errorf("keep going %v: partial %v (%s), %v", keep, res.Partial, res.PartialReason, res.Errors)
		}
		later := int64(0)
		for _, s := range res.Timeline {
			if s.FromS > (goneAfter + time.Second/2).Seconds() {
				later += s.OK
			}
		}
		if keep && (res.DurationS < 5 || later == 0) {
			t.Errorf("%.1f s, and %d successes after the server came back", res.DurationS, later)
		}
		if !keep && !strings.Contains(res.PartialReason, "gone") {
			t.Errorf("ended because %s", res.PartialReason)
		}
	}
}
