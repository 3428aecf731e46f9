package e2e_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// startCluster starts three servers whose engines keep the queue together.
func startCluster(t *testing.T, args ...string) (all []*jobServers) {
	t.Helper()
	dir := t.TempDir()
	key := filepath.Join(dir, "key")
	if _, fault, code := ctl(t, dir, "offload", "keygen", key); code != 0 {
		t.Fatal(fault)
	}
	var engines []string
	for range 3 {
		engines = append(engines, quietPort(t))
	}
	for i := range 3 {
		j := &jobServers{dir: filepath.Join(dir, strconv.Itoa(i)), scheme: "nats://", runs: filepath.Join(dir, "runs"), queue: quietPort(t)}
		if err := os.Mkdir(j.dir, 0o700); err != nil {
			t.Fatal(err)
		}
		others := append(append([]string{}, engines[i:]...), engines[:i]...)
		j.args = append([]string{"--name", "jobs", "--offload-key", key, "--offload", "/both/*,both", "--offload", "/job/*", "--offload-dir", filepath.Join(j.dir, "store"),
			"--offload-listen", j.queue, "--offload-cluster", strings.Join(others, ","), "--offload-slots", "1"}, args...)
		j.env = []string{"RUNS=" + j.runs, "GIRIN_RUNTIME_DIR=" + j.control()}
		j.front = startApp(t, "jobs", options{args: j.args, env: j.env})
		all = append(all, j)
	}
	for _, j := range all {
		j.front.wait(t, "Jobs: connected")
	}
	return all
}

// quietPort is a port that no connection of anybody's gets as its own: those have higher ones.
func quietPort(t *testing.T) string {
	t.Helper()
	for range 100 {
		l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", 12000+rand.IntN(20000)))
		if err == nil {
			defer l.Close()
			return l.Addr().String()
		}
	}
	t.Fatal("there is no port")
	return ""
}

// One of three servers dies with its engine: what was accepted is done, and more is accepted.
func TestTwoOfThreeEnginesGoOn(t *testing.T) {
	all := startCluster(t)
	gate := filepath.Join(all[0].dir, "gate")
	var jobs []accepted
	for i := range 12 {
		eventually(t, "the cluster accepts jobs", func() bool { // it may be choosing who leads still
			var job accepted
			a := <-all[i%3].front.ask("GET", fmt.Sprintf("/both/until?before%d&%s", i, gate), nil, respondAsync...)
			if a.status != 202 || json.Unmarshal([]byte(a.body), &job) != nil {
				return false
			}
			jobs = append(jobs, job)
			return true
		})
	}
	eventually(t, "each runs one", func() bool { return all[0].count("begin before") >= 3 })
	_ = all[0].front.cmd.Process.Signal(syscall.SIGKILL)
	<-all[0].front.done
	killed := time.Now()
	eventually(t, "further ones are accepted", func() bool {
		a := <-all[1].front.ask("GET", "/both/x?after", nil, respondAsync...)
		return a.status == 202
	})
	t.Logf("accepted again %v after the death", time.Since(killed))
	if a := <-all[2].front.ask("GET", "/job/x?waits", nil); a.status != 200 {
		t.Errorf("who waits: %+v", a)
	}
	open(t, gate)
	for i, job := range jobs {
		if now := all[1+i%2].ended(t, job); now.Status != "done" {
			t.Errorf("%+v", now)
		}
	}
	all[0].front = startApp(t, "jobs", options{args: all[0].args, env: all[0].env})
	all[0].front.wait(t, "Jobs: connected")
	for _, job := range jobs {
		if now := all[0].ended(t, job); now.Status != "done" {
			t.Errorf("seen by the one that came back: %+v", now)
		}
	}
}

// A cluster that could not do what it is for is refused, with the reason.
func TestClustersThatCannotBeAreRefused(t *testing.T) {
	dir := t.TempDir()
	key := filepath.Join(dir, "key")
	if _, fault, code := ctl(t, dir, "offload", "keygen", key); code != 0 {
		t.Fatal(fault)
	}
	for _, test := range []struct {
		args []string
		want string
	}{
		{[]string{"--offload-cluster", "127.0.0.1:1,127.0.0.1:2", "--offload-key", key}, "majority"},
		{[]string{"--offload-cluster", "127.0.0.1:1,127.0.0.1:2,127.0.0.1:3,127.0.0.1:4", "--offload-key", key}, "three engines, or five"},
		{[]string{"--offload-cluster", "127.0.0.1:1,127.0.0.1:2,127.0.0.1:2", "--offload-key", key}, "twice"},
		{[]string{"--offload-cluster", "127.0.0.1:1,127.0.0.1:2,127.0.0.1:3"}, "offload_key is not set"},
		{[]string{"--offload-cluster", "10.0.0.1:1,10.0.0.2:1,10.0.0.3:1", "--offload-key", key}, "offload_tls_cert"},
		{[]string{"--offload-creds", key, "--offload", "/x"}, "offload_connect"},
		{[]string{"--offload-auth", "cookie:", "--offload", "/x"}, "cookie:NAME"},
	} {
		_, fault, code := ctl(t, dir, append(append([]string{"--python", python(t), "-b", "127.0.0.1:0"}, test.args...), "app")...)
		if code == 0 || !strings.Contains(fault, test.want) {
			t.Errorf("%v: %d, %s", test.args, code, fault)
		}
	}
}
