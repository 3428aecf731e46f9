package e2e_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// selfSigned makes a certificate for 127.0.0.1 and its key.
func selfSigned(t *testing.T, dir string) (cert, key string) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "jobs"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &private.PublicKey, private)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalECPrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	cert, key = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	for path, block := range map[string]*pem.Block{cert: {Type: "CERTIFICATE", Bytes: der}, key: {Type: "EC PRIVATE KEY", Bytes: secret}} {
		if err := os.WriteFile(path, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return cert, key
}

func TestJobsGoByTLS(t *testing.T) {
	cert, key := selfSigned(t, t.TempDir())
	j := startJobs(t, 0, "--offload-tls-cert", cert, "--offload-tls-key", key)
	j.scheme = "tls://"
	other := j.join(t, 1, "--offload-tls-ca", cert)
	if a := <-j.front.ask("GET", "/job/x?one", nil); value(t, a.body, "master") != strconv.Itoa(other.cmd.Process.Pid) {
		t.Errorf("%+v", a)
	}
	refused := startApp(t, "jobs", options{args: append([]string{"--offload-connect", "tls://" + j.queue, "--no-bind"}, j.common...)})
	refused.wait(t, "cannot be reached") // it trusts no such authority
}

// Who has another key, or none, joins nobody, and says so; where it serves it goes on.
func TestAStrangerDoesNotJoin(t *testing.T) {
	j := startJobs(t, 0)
	key := filepath.Join(t.TempDir(), "key")
	if _, fault, code := ctl(t, j.dir, "offload", "keygen", key); code != 0 {
		t.Fatal(fault)
	}
	if _, _, code := ctl(t, j.dir, "offload", "keygen", key); code != 1 {
		t.Error("a key that is there is written over")
	}
	for name, args := range map[string][]string{"another key": {"--offload-key", key}, "no key": nil} {
		t.Run(name, func(t *testing.T) {
			s := startApp(t, "jobs", options{args: append([]string{"--name", "jobs", "--offload", "/job/*", "--offload-connect", "nats://" + j.queue}, args...)})
			if line := s.wait(t, "cannot be reached"); !strings.Contains(strings.ToLower(line), "authorization violation") {
				t.Errorf("%s", line)
			}
			if a := <-s.ask("POST", "/job/x?here", nil); a.status != 200 {
				t.Errorf("%+v", a)
			}
		})
	}
}

// An address at which nobody listens is named.
func TestAnEngineThatIsNotThereIsNamed(t *testing.T) {
	s := startApp(t, "jobs", options{args: []string{"--name", "jobs", "--no-bind", "--offload-connect", "nats://127.0.0.1:1"}})
	if line := s.wait(t, "cannot be reached"); !strings.Contains(line, "refused") || !strings.Contains(line, "runs no jobs") {
		t.Errorf("%s", line)
	}
}

// A server that has the new key before the queue has it joins as soon as that has it, too.
func TestAServerWaitsForItsKey(t *testing.T) {
	j := startJobs(t, 0)
	key := filepath.Join(t.TempDir(), "key")
	if _, fault, code := ctl(t, j.dir, "offload", "keygen", key); code != 0 {
		t.Fatal(fault)
	}
	s := startApp(t, "jobs", options{args: []string{"--name", "jobs", "--no-bind", "--offload-connect", "nats://" + j.queue, "--offload-key", key}})
	if line := s.wait(t, "cannot be reached"); !strings.Contains(line, "--offload-key") || !strings.Contains(line, "runs no jobs") {
		t.Errorf("%s", line)
	}
	j.front.wait(t, "not said again for a while") // it has come three times
	if err := j.front.end(t, syscall.SIGTERM); err != nil {
		t.Fatalf("the queue's server ends with %v", err)
	}
	j.args[slices.Index(j.args, "--offload-key")+1] = key
	startApp(t, "jobs", options{args: j.args, env: j.env})
	s.wait(t, "Jobs: connected")
}

// Another application's jobs, or another version's, are nobody else's.
func TestJobsAreOfOneApplicationAndVersion(t *testing.T) {
	j := startJobs(t, 0)
	startOther := func(args ...string) *server {
		t.Helper()
		s := startApp(t, "jobs", options{args: append(append([]string{"--offload-connect", "nats://" + j.queue, "--no-bind"}, j.common...), args...)})
		s.wait(t, "Jobs: connected")
		return s
	}
	startOther("--name", "another").wait(t, "none of another, but of jobs")
	startOther("--offload-version", "another")
	waiting := j.front.ask("POST", "/job/x?one", nil)
	select {
	case a := <-waiting:
		t.Fatalf("it was run by a stranger: %+v", a)
	case <-time.After(500 * time.Millisecond):
	}
	other := j.join(t, 1)
	if a := <-waiting; value(t, a.body, "master") != strconv.Itoa(other.cmd.Process.Pid) {
		t.Errorf("%+v", a)
	}
}

func TestJobsThatCannotBeAreRefusedAtTheStart(t *testing.T) {
	for name, test := range map[string]struct {
		args []string
		want string
	}{
		"no network without a key":      {[]string{"--offload", "*", "--offload-listen", "127.0.0.1:0"}, "offload_key is not set"},
		"no network without TLS":        {[]string{"--offload", "*", "--offload-listen", "0.0.0.0:0", "--offload-key", "/dev/null"}, "offload_tls_cert"},
		"nowhere to listen, no queue":   {[]string{"--no-bind", "--tasks"}, "offload_connect is not set"},
		"a route that is none":          {[]string{"--offload", "pdf"}, "names no requests"},
		"a word that is none":           {[]string{"--offload", "/pdf,often"}, "none of sync, async, both"},
		"a key that is none":            {[]string{"--offload", "*", "--offload-key", "/dev/null"}, "offload_key"},
		"a URL that is none":            {[]string{"--offload", "*", "--offload-connect", "10.0.0.5"}, "nats://HOST:PORT"},
		"a directory that cannot be":    {[]string{"--offload", "*", "--offload-dir", "/proc/none"}, "/proc/none"},
		"a directory for nothing":       {[]string{"--offload", "*", "--offload-dir", "/sys"}, "offload_dir"},
		"listens for what is another's": {[]string{"--offload", "*", "--offload-connect", "nats://x:1", "--offload-listen", "127.0.0.1:0"}, "another server's"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			out, fault, code := ctl(t, dir, append(append([]string{"--python", python(t), "-b", "127.0.0.1:0"}, test.args...), "app")...)
			if code == 0 || !strings.Contains(fault, test.want) || strings.Count(fault, "\n") > 3 {
				t.Errorf("exit %d\n%s%s", code, out, fault)
			}
		})
	}
}
