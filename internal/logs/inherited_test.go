package logs

import (
	"bufio"
	"os"
	"os/exec"
	"syscall"
	"testing"
)

// In the environment of this test's own binary it makes it write a line to each log that is named.
const inheritedRole = "LOGS_TEST_INHERITED"

func TestMain(m *testing.M) {
	if path := os.Getenv(inheritedRole); path != "" {
		l, err := OpenError(ErrorOptions{Target: fileTarget(path), Level: Info, Stderr: os.Stderr})
		if err != nil {
			os.Stderr.WriteString(err.Error() + "\n")
			os.Exit(1)
		}
		l.Infof("by %s", path)
		l.Close()
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// Under systemd they are sockets, which cannot be opened by name (ENXIO).
func TestStandardStreamsThatAreSockets(t *testing.T) {
	for path := range inherited {
		pair, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM, 0)
		if err != nil {
			t.Fatal(err)
		}
		ours, theirs := os.NewFile(uintptr(pair[0]), "ours"), os.NewFile(uintptr(pair[1]), "theirs")
		child := exec.Command(os.Args[0])
		child.Env = append(os.Environ(), inheritedRole+"="+path)
		child.Stdout, child.Stderr = theirs, theirs
		err = child.Run()
		theirs.Close()
		line, _ := bufio.NewReader(ours).ReadString('\n')
		ours.Close()
		if want := "by " + path + "\n"; err != nil || len(line) < len(want) || line[len(line)-len(want):] != want {
			t.Errorf("%s: %v, %q", path, err, line)
		}
	}
}
