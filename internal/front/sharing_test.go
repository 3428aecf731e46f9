package front

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

// A listener that goes on beside another server's accepts as before: a process that is
// started with its socket must not make that a blocking one, not even meanwhile.
func TestAListenerStaysNonBlockingWhenItIsShared(t *testing.T) {
	for network, address := range map[string]string{"tcp": "127.0.0.1:0", "unix": filepath.Join(t.TempDir(), "s")} {
		l, err := Listen(network, address, 0, ListenOptions{})
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		f, err := FileOf(l)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		cmd := exec.Command(os.Args[0], "-test.run=^$")
		cmd.ExtraFiles = []*os.File{f}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		if flags, err := unix.FcntlInt(f.Fd(), unix.F_GETFL, 0); err != nil || flags&unix.O_NONBLOCK == 0 {
			t.Errorf("%s: the socket blocks (flags %#x, %v)", network, flags, err)
		}
		if err := cmd.Wait(); err != nil {
			t.Error(err)
		}
	}
}
