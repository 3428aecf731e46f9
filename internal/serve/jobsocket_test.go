package serve

import (
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"
)

func TestSocketsThatAKilledServerHasLeftAreRemoved(t *testing.T) {
	parent, err := os.MkdirTemp("", "s") // a socket's path must be short
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(parent)
	long := time.Now().Add(-time.Hour)
	for name, stays := range map[string]bool{"lives": true, "left": false, "empty": false, "new": true} {
		dir := filepath.Join(parent, jobSocketDir+name)
		if err := os.Mkdir(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		if name == "lives" || name == "left" {
			l, err := net.Listen("unix", filepath.Join(dir, "sock"))
			if err != nil {
				t.Fatal(err)
			}
			defer l.Close()
			if name == "left" {
				l.(*net.UnixListener).SetUnlinkOnClose(false)
				l.Close()
			}
		}
		if name != "new" {
			if err := os.Chtimes(dir, long, long); err != nil {
				t.Fatal(err)
			}
		}
		defer func() {
			if _, err := os.Stat(dir); (err == nil) != stays {
				t.Errorf("%s: %v", name, err)
			}
		}()
	}
	sweepJobSockets(parent)
}
