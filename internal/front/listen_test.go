package front

import (
	"net/netip"
	"path/filepath"
	"strings"
	"testing"
)

func TestAnIPv4AddressIsNotOneOfIPv6(t *testing.T) {
	l, err := Listen("tcp", "0.0.0.0:0", 0, ListenOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if got := netip.MustParseAddrPort(l.Addr().String()).Addr(); got != netip.IPv4Unspecified() {
		t.Errorf("it listens on %s", got)
	}
}

func TestListenSaysWhatIsWrong(t *testing.T) {
	l, err := Listen("tcp", "127.0.0.1:0", 0, ListenOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	for address, want := range map[string]string{
		l.Addr().String(): "address already in use: another server has it",
		"192.0.2.1:0":     "cannot assign requested address: this machine",
	} {
		if l, err := Listen("tcp", address, 0, ListenOptions{}); err == nil {
			l.Close()
			t.Errorf("%s: no error", address)
		} else if !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%s: %v", address, err)
		}
	}
}

// A path that is too long is told as that, not as an invalid argument.
func TestAPathThatIsTooLong(t *testing.T) {
	path := filepath.Join(t.TempDir(), strings.Repeat("x", 200))
	if _, err := Listen("unix", path, 0, ListenOptions{}); err == nil || !strings.Contains(err.Error(), "the path has ") {
		t.Errorf("got %v", err)
	}
}
