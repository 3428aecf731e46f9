package webhook

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
)

func sender(t *testing.T, private bool, hosts ...string) (*Sender, string) {
	t.Helper()
	secret := NewSecret()
	file := filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(file, []byte(secret+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	s, err := New(Config{Hosts: hosts, Private: private, KeyFile: file, Agent: "girin"})
	if err != nil {
		t.Fatal(err)
	}
	return s, secret
}

func hostOf(t *testing.T, server *httptest.Server) string {
	t.Helper()
	u, err := url.Parse(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	return u.Host
}

// What Standard Webhooks' own library verifies is what was sent.
func TestMessagesAreSigned(t *testing.T) {
	var got []error
	var s *Sender
	var secret string
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		verifier, err := standardwebhooks.NewWebhook(secret)
		if err == nil {
			err = verifier.Verify(body, r.Header)
		}
		if r.Header.Get("webhook-id") != "msg_1" || r.Method != http.MethodPost || string(body) != `{"a":1}` {
			err = errors.New("it is another message")
		}
		got = append(got, err, verifier.Verify([]byte(`{"a":2}`), r.Header))
	}))
	defer server.Close()
	s, secret = sender(t, true, hostOf(t, server))
	if f := s.Send(t.Context(), Message{ID: "msg_1", URL: server.URL + "/x?y", Body: []byte(`{"a":1}`)}); f != nil {
		t.Fatal(f)
	}
	if len(got) != 2 || got[0] != nil || got[1] == nil {
		t.Errorf("%v", got)
	}
}

func TestWhereMessagesMayGo(t *testing.T) {
	s, _ := sender(t, false, "hooks.example.com", "Other.example.com:8443", "[2001:db8::1]:80")
	for text, allowed := range map[string]bool{
		"https://hooks.example.com/x": true, "http://HOOKS.example.com": true, "https://hooks.example.com:443/x?y=z": true,
		"https://other.example.com:8443/": true, "http://[2001:db8::1]:80/": true,
		"https://hooks.example.com:8443/": false, "https://other.example.com/": false, "https://example.com/": false, "https://x.hooks.example.com/": false,
		"https://hooks.example.com.evil.org/": false, "https://hooks.example.com@evil.org/": false, "https://evil.org#@hooks.example.com/": false,
		"https://user:pass@hooks.example.com/": false, "https://hooks.example.com/#x": false, "ftp://hooks.example.com/": false, "//hooks.example.com/": false,
		"hooks.example.com": false, "https:hooks.example.com": false, "": false, "https://hooks.example.com./": false, "https://hooks.example.com\\@evil.org/": false,
		"https://hooks.example.com/" + strings.Repeat("x", urlMost): false,
	} {
		if err := s.Check(text); (err == nil) != allowed {
			t.Errorf("%.80q: %v", text, err)
		}
	}
}

func TestOnlyPublicAddressesAreAsked(t *testing.T) {
	for text, want := range map[string]bool{
		"8.8.8.8": true, "1.1.1.1": true, "2606:4700:4700::1111": true, "172.15.0.1": true, "172.32.0.1": true, "100.63.0.1": true,
		"127.0.0.1": false, "127.9.9.9": false, "10.1.2.3": false, "172.16.0.1": false, "172.31.255.255": false, "192.168.1.1": false, "169.254.169.254": false,
		"100.64.0.1": false, "0.0.0.0": false, "0.1.2.3": false, "255.255.255.255": false, "224.0.0.1": false, "198.18.0.1": false, "::1": false, "::": false,
		"::ffff:127.0.0.1": false, "::ffff:8.8.8.8": true, "::127.0.0.1": false, "64:ff9b::7f00:1": false, "64:ff9b:1::a9fe:a9fe": false, "::ffff:0:127.0.0.1": false, "2002:7f00:1::": false, "fe80::1": false, "fe80::1%eth0": false,
		"fd00::1": false, "ff02::1": false, "2001::1": false, "2001:db8::1": false, "fec0::1": false,
	} {
		if got := public(netip.MustParseAddr(text)); got != want {
			t.Errorf("%s: %v", text, got)
		}
	}
}

// A name may lead to another address each time it is asked for (DNS rebinding): the one
// that is connected to counts.
func TestANameThatLeadsHereIsRefused(t *testing.T) {
	asked := false
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked = true }))
	defer server.Close()
	_, port, _ := net.SplitHostPort(hostOf(t, server))
	s, _ := sender(t, false, "localhost:"+port, "127.0.0.1:"+port)
	for _, host := range []string{"localhost", "127.0.0.1"} {
		f := s.Send(t.Context(), Message{ID: "m", URL: "http://" + host + ":" + port, Body: []byte("{}")})
		if f == nil || !f.Final || !errors.Is(f, errPrivate) {
			t.Errorf("%s: %+v", host, f)
		}
	}
	if asked {
		t.Error("it was asked")
	}
}

func TestRedirectsAreNotFollowed(t *testing.T) {
	asked := ""
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked += r.URL.Path
		http.Redirect(w, r, "/elsewhere", http.StatusTemporaryRedirect)
	}))
	defer server.Close()
	s, _ := sender(t, true, hostOf(t, server))
	if f := s.Send(t.Context(), Message{ID: "m", URL: server.URL + "/here", Body: []byte("{}")}); f == nil || f.Final || asked != "/here" {
		t.Errorf("%+v, asked %s", f, asked)
	}
}

func TestWhatAnswersMean(t *testing.T) {
	status, after := 0, ""
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Retry-After", after)
		w.WriteHeader(status)
		for range 100 { // more than is read of it
			_, _ = w.Write(make([]byte, 64<<10))
		}
	}))
	defer server.Close()
	s, _ := sender(t, true, hostOf(t, server))
	for _, c := range []struct {
		status      int
		after       string
		taken, last bool
		wait        time.Duration
	}{
		{200, "", true, false, 0}, {202, "", true, false, 0}, {500, "", false, false, 0}, {503, "7", false, false, 7 * time.Second},
		{429, "999999", false, false, afterMost}, {400, "", false, false, 0}, {410, "", false, true, 0},
	} {
		status, after = c.status, c.after
		f := s.Send(t.Context(), Message{ID: "m", URL: server.URL, Body: []byte("{}")})
		if (f == nil) != c.taken || f != nil && (f.Final != c.last || f.After != c.wait) {
			t.Errorf("%d: %+v", c.status, f)
		}
	}
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	if f := s.Send(gone, Message{ID: "m", URL: server.URL, Body: []byte("{}")}); f == nil || f.Final {
		t.Errorf("%+v", f)
	}
}

func TestBadKeys(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{"empty": "", "no prefix": strings.TrimPrefix(NewSecret(), prefix), "short": prefix + "c2hvcnQ=", "no base64": prefix + "!"} {
		file := filepath.Join(dir, "key")
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := New(Config{KeyFile: file}); err == nil {
			t.Errorf("%s is a key", name)
		}
	}
	if _, err := New(Config{KeyFile: filepath.Join(dir, "none")}); err == nil {
		t.Error("no file is a key")
	}
}
