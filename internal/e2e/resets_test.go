package e2e_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// held is what girin ctl status tells of what the server holds for requests.
type held struct {
	Conns int
	Held  map[string]int64
	Sched struct {
		InFlight int `json:"in_flight"`
		Calls, Cells, Spools, Blocks,
		Held, Queued int
		Arena   int64
		Workers []struct {
			PID     int
			Running []any
		}
		Routes []struct{ Name, Kind string }
	}
}

func holds(t *testing.T, dir string) (h held) {
	t.Helper()
	out, fault, code := ctl(t, dir, "ctl", "status", "--json")
	if err := json.Unmarshal([]byte(out), &h); code != 0 || err != nil {
		t.Fatalf("ctl status: exit %d, %v: %s", code, err, fault)
	}
	return h
}

// resets is how many clients leave in each class; GIRIN_RESETS is another number.
func resets(t *testing.T) int {
	n := 1500
	if more := os.Getenv("GIRIN_RESETS"); more != "" {
		if _, err := fmt.Sscan(more, &n); err != nil {
			t.Fatal(err)
		}
	}
	return n
}

// Clients that reset in any moment of head, body, queue, run and answer leave no
// thread, descriptor, block or cell behind, even where no timeout would free them.
func TestClientsThatResetLeaveNothingBehind(t *testing.T) {
	for name, args := range map[string][]string{
		"sync": {"-w", "2", "-k", "sync"}, "gthread": {"--threads", "8"},
		"gevent": {"-k", "gevent", "--worker-connections", "8"}, "auto": {"-k", "auto", "-w", "2", "--threads", "8"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "run")
			s := start(t, options{args: append(args, "--timeout", "0"), env: []string{"GIRIN_RUNTIME_DIR=" + dir}})
			slots := 8
			if name == "sync" {
				slots = 2
			}
			s.crowd(t, slots) // threads and pools are there
			before, files := holds(t, dir), descriptors(t, s.cmd.Process.Pid)
			var clients sync.WaitGroup
			each := resets(t) / 32
			for i := range 32 {
				clients.Go(func() {
					random := rand.New(rand.NewPCG(uint64(i), 7))
					for range each {
						if err := s.leave(random); err != nil {
							t.Error(err)
							return
						}
					}
				})
			}
			clients.Wait()
			s.crowd(t, slots) // each of its threads takes a request: none hangs
			var h held
			for end := time.Now().Add(10 * time.Second); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
				if h = holds(t, dir); h.Conns == 0 && h.Sched.Calls == 0 && h.Sched.Blocks == 0 && h.Sched.Cells == before.Sched.Cells && h.Sched.Spools == 0 {
					break
				}
			}
			if n := descriptors(t, s.cmd.Process.Pid); n > files+2 {
				t.Errorf("%d descriptors, before %d", n, files)
			}
			if h.Sched.Calls+h.Sched.Blocks+h.Sched.Spools+h.Sched.InFlight+h.Sched.Held+h.Sched.Queued != 0 || h.Sched.Arena != 0 || h.Sched.Cells != before.Sched.Cells {
				t.Errorf("it holds %+v, before %+v", h, before)
			}
			for what, n := range h.Held {
				if n != 0 {
					t.Errorf("of %s %d are held", what, n)
				}
			}
			for _, w := range h.Sched.Workers {
				if len(w.Running) != 0 {
					t.Errorf("worker %d still runs %v", w.PID, w.Running)
				}
			}
			for _, fault := range []string{"is ended for", "a fault of the server", "panic", "crashed"} {
				if strings.Contains(s.log(), fault) {
					t.Errorf("the log says %q", fault)
				}
			}
			if err := s.end(t, syscall.SIGTERM); err != nil {
				t.Error(err)
			}
		})
	}
}

// What is in spool files is told.
func TestSpoolFilesAreTold(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "run")
	s := start(t, options{env: []string{"GIRIN_RUNTIME_DIR=" + dir}})
	nc, err := net.Dial("tcp", s.addr)
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	fmt.Fprintf(nc, "POST /sink HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n30000\r\n%s", strings.Repeat("b", 0x30000))
	eventually(t, "the body is told", func() bool {
		h := holds(t, dir).Held
		return h["spool_files"] == 1 && h["spool_bytes"] > 0x20000
	})
	if text, _, _ := ctl(t, dir, "ctl", "status"); !strings.Contains(text, "MiB in 1\n") {
		t.Errorf("girin ctl status says\n%s", text)
	}
	nc.Close()
	eventually(t, "nothing is held", func() bool {
		h := holds(t, dir).Held
		return h["spool_files"] == 0 && h["spool_bytes"] == 0 && h["files"] == 0
	})
}

// crowd asks for as many requests at once as there are slots, which all must run.
func (s *server) crowd(t *testing.T, slots int) {
	t.Helper()
	var all sync.WaitGroup
	for range slots {
		all.Go(func() {
			nc, err := net.Dial("tcp", s.addr)
			if err != nil {
				t.Error(err)
				return
			}
			defer nc.Close()
			_ = nc.SetDeadline(time.Now().Add(20 * time.Second))
			fmt.Fprint(nc, "GET /wait?0.3 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
			answer := make([]byte, 100)
			if n, err := nc.Read(answer); !strings.Contains(string(answer[:n]), " 200 ") {
				t.Errorf("one of %d requests at once: %q, %v", slots, answer[:n], err)
			}
		})
	}
	all.Wait()
}

// leave is one client: it sends a part of a request, or all of it, takes a part of
// the answer, and resets.
func (s *server) leave(random *rand.Rand) error {
	nc, err := net.Dial("tcp", s.addr)
	if err != nil {
		return err
	}
	defer nc.Close()
	_ = nc.SetDeadline(time.Now().Add(20 * time.Second))
	if err := nc.(*net.TCPConn).SetLinger(0); err != nil {
		return err
	}
	body := func(n int) string { return strings.Repeat("b", n) }
	requests := []string{
		"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
		"GET /large?3000000 HTTP/1.1\r\nHost: x\r\n\r\n",
		"GET /wait?0.01 HTTP/1.1\r\nHost: x\r\n\r\n",
		"GET / HTTP/1.1\r\nHost: x\r\nX-Long: " + body(7000) + "\r\n\r\n", // in the arena
		"POST /sink HTTP/1.1\r\nHost: x\r\nContent-Length: 30000\r\n\r\n" + body(30_000),
		"POST /sink HTTP/1.1\r\nHost: x\r\nContent-Length: 500000\r\n\r\n" + body(500_000),
		"POST /sink HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n13880\r\n" + body(0x13880) + "\r\n0\r\n\r\n", // in a file
		"GET / HTTP/1.1\r\nHost: x\r\n\r\nGET /wait?0.001 HTTP/1.1\r\nHost: x\r\n\r\n",
	}
	request := requests[random.IntN(len(requests))]
	if random.IntN(3) == 0 {
		request = request[:random.IntN(len(request))]
	}
	_, _ = nc.Write([]byte(request)) // a refusal may come before all is sent
	switch random.IntN(3) {
	case 0:
		time.Sleep(time.Duration(random.IntN(3000)) * time.Microsecond)
	case 1:
		_ = nc.SetReadDeadline(time.Now().Add(5 * time.Millisecond))
		_, _ = nc.Read(make([]byte, 1+random.IntN(100_000)))
	}
	return nil
}

func descriptors(t *testing.T, pid int) int {
	t.Helper()
	list, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", pid))
	if err != nil {
		t.Fatal(err)
	}
	return len(list)
}
