package control

import (
	"bufio"
	"net"
	"os"
	"strings"
)

// Where no directory can be had, as on a read-only root, the control socket is one
// without a path. Anybody may take such a name, and connect: the server looks at who
// asks, as always, and whoever asks at who answers (see trusted).

// ListenAbstract opens a control socket of this process that could not be in dir,
// "" if there is none.
func ListenAbstract(dir string) (*Server, error) {
	l, err := net.Listen("unix", abstractName(dir, os.Getpid()))
	if err != nil {
		return nil, err
	}
	return &Server{listener: l}, nil
}

// abstract lists the sockets of this user's servers that have no path: those that
// could not be in dir, and those for which there was none.
func abstract(dir string) (names []string) {
	f, err := os.Open("/proc/net/unix")
	if err != nil {
		return nil
	}
	defer f.Close()
	here, nowhere := strings.TrimSuffix(abstractName(dir, 0), "0"), strings.TrimSuffix(abstractName("", 0), "0")
	seen := map[string]bool{}
	for lines := bufio.NewScanner(f); lines.Scan(); {
		fields := strings.Fields(lines.Text())
		name := fields[len(fields)-1]
		// Connections have the name of the socket that accepted them.
		if !seen[name] && (strings.HasPrefix(name, here) || strings.HasPrefix(name, nowhere)) {
			seen[name] = true
			names = append(names, name)
		}
	}
	return names
}
