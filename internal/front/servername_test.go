package front

import (
	"crypto/tls"
	"net/http"
	"testing"
)

// TestServerField asks over HTTP/1.1 and HTTP/2 what the field Server says: of an
// application's answer, of one with its own, and of the front's own.
func TestServerField(t *testing.T) {
	own := func(c *appCall) {
		switch c.environ["PATH_INFO"] {
		case "/own":
			c.answer("200 OK", "x", "Server", "app")
		case "/fails":
			c.fail()
		default:
			c.answer("200 OK", "x")
		}
	}
	for _, name := range []string{"", "shop 1.0"} {
		s, client := serveHTTP2App(t, own, func(c *Config) { c.Name = name })
		old := &http.Client{Transport: &http.Transport{TLSClientConfig: client.Transport.(*http.Transport).TLSClientConfig.Clone(), TLSNextProto: map[string]func(string, *tls.Conn) http.RoundTripper{}}}
		t.Cleanup(old.CloseIdleConnections)
		old.Transport.(*http.Transport).TLSClientConfig.NextProtos = []string{"http/1.1"}
		for path, want := range map[string]string{"/": name, "/own": "app", "/fails": name} {
			for version, c := range map[int]*http.Client{1: old, 2: client} {
				res, err := c.Get(s.url(path))
				if err != nil {
					t.Fatal(err)
				}
				_ = res.Body.Close()
				if res.ProtoMajor != version {
					t.Fatalf("the answer is in %s", res.Proto)
				}
				if got := res.Header.Values("Server"); (len(got) > 0) != (want != "") || res.Header.Get("Server") != want {
					t.Errorf("name %q, HTTP/%d, %s: Server is %q, not %q", name, version, path, got, want)
				}
			}
		}
	}
}
