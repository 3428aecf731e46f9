package e2e_test

import (
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
)

// Where packet pipes and memfd are refused, as in gVisor, the server says so and
// serves as elsewhere: small requests and large ones, many at once, through deaths
// and reloads, in every class.
func TestARestrictedSystem(t *testing.T) {
	restricted := filepath.Join(t.TempDir(), "girin")
	if out, err := exec.Command("go", "build", "-tags", "restricted", "-o", restricted, "girin/cmd/girin").CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	t.Setenv("GIRIN", restricted)
	for _, class := range []string{"sync", "gthread", "gevent", "auto"} {
		t.Run(class, func(t *testing.T) {
			dir := t.TempDir()
			put(t, filepath.Join(dir, "app.py"), `def application(env, start):
    body = env["wsgi.input"].read()
    start("200 OK", [("Content-Length", str(len(body)))])
    return [body]
`)
			args := []string{"--chdir", dir, "-w", "2", "-k", class}
			if class == "gthread" || class == "auto" {
				args = append(args, "--threads", "4")
			}
			s := start(t, options{args: args})
			for _, what := range []string{"packet pipes are refused here", "memfd is refused here"} {
				if !strings.Contains(s.log(), what) {
					t.Errorf("it does not say that %s", what)
				}
			}
			echoes(t, s)
			all, _ := children(t, s.cmd.Process.Pid)
			n := len(strings.Split(s.log(), "\n"))
			for _, pid := range all {
				if strings.Contains(command(pid), "python") {
					_ = syscall.Kill(pid, syscall.SIGKILL)
					break
				}
			}
			s.waitAfter(t, "Booting worker", n)
			hup(t, s)
			s.waitAfter(t, "serves", n)
			echoes(t, s)
			if err := s.end(t, os.Interrupt); err != nil {
				t.Error(err)
			}
		})
	}
}

// echoes sends bodies of sizes on both sides of what a packet holds, 16 at a time.
func echoes(t *testing.T, s *server) {
	t.Helper()
	var all sync.WaitGroup
	for i := range 16 {
		all.Go(func() {
			client := &http.Client{Timeout: limit, Transport: &http.Transport{}}
			defer client.CloseIdleConnections()
			for _, size := range []int{1, 3000, 3500, 4096, 20_000, 200_000, 2_000_000} {
				sent := strings.Repeat(fmt.Sprintf("%08d", i*size), size/8+1)
				res, err := client.Post("http://"+s.addr+"/", "text/plain", strings.NewReader(sent))
				if err != nil {
					t.Error(err)
					return
				}
				if got := readAll(t, res); got != sent {
					t.Errorf("%d bytes of %d came back, or others", len(got), len(sent))
				}
			}
		})
	}
	all.Wait()
}
