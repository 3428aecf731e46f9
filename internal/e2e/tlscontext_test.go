package e2e_test

import (
	"crypto/tls"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TLS is as the context says that gunicorn's hook ssl_context makes, and the hook may not ask
// for what would not come.
func TestTheHookForTheContextOfTLS(t *testing.T) {
	cert, key := certificate(t)
	file := func(change string) []string {
		path := filepath.Join(t.TempDir(), "conf.py")
		text := "import ssl\n\ndef ssl_context(conf, default_ssl_context_factory):\n    context = default_ssl_context_factory()\n    " + change + "\n    return context\n"
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return []string{"-c", path, "--certfile", cert, "--keyfile", key}
	}
	s := start(t, options{args: file("context.minimum_version = ssl.TLSVersion.TLSv1_3")})
	for version, want := range map[uint16]bool{tls.VersionTLS12: false, tls.VersionTLS13: true} {
		c, err := tls.Dial("tcp", s.addr, &tls.Config{InsecureSkipVerify: true, MinVersion: version, MaxVersion: version})
		if err == nil {
			c.Close()
		}
		if (err == nil) != want {
			t.Errorf("%s: %v", tls.VersionName(version), err)
		}
	}
	refused := launch(t, options{args: file("context.sni_callback = lambda *arguments: None")})
	<-refused.done
	if refused.err == nil || !strings.Contains(refused.log(), "sni_callback") {
		t.Errorf("girin ended with %v", refused.err)
	}
}
