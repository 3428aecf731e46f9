package e2e_test

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// startOn starts a server whose jobs are stored on a disk of its own: mount is a command of
// the shell that brings it to $0, which nobody else sees. It goes with the server.
func startOn(t *testing.T, mount string) (j *jobServers, disk string) {
	t.Helper()
	dir := t.TempDir()
	disk = filepath.Join(dir, "disk")
	if err := os.Mkdir(disk, 0o700); err != nil {
		t.Fatal(err)
	}
	j = &jobServers{dir: dir, runs: filepath.Join(dir, "runs")}
	j.args = []string{"--name", "jobs", "--offload", "/job/*", "--offload", "/both/*,both", "--offload-dir", filepath.Join(disk, "store"), "--offload-slots", "2"}
	j.env = []string{"RUNS=" + j.runs, "GIRIN_RUNTIME_DIR=" + j.control()}
	unshare := []string{"unshare", "--mount"}
	if os.Geteuid() != 0 {
		unshare = append(unshare, "--map-root-user")
	}
	j.front = startApp(t, "jobs", options{args: j.args, env: j.env, wrap: append(unshare, "sh", "-ec", mount+`; exec "$@"`, disk)})
	j.front.wait(t, "Jobs: connected")
	return j, filepath.Join("/proc", strconv.Itoa(j.front.cmd.Process.Pid), "root", disk)
}

// free is how many bytes a disk takes.
func free(t *testing.T, disk string) int64 {
	t.Helper()
	var fs syscall.Statfs_t
	if err := syscall.Statfs(disk, &fs); err != nil {
		t.Fatal(err)
	}
	return int64(fs.Bavail) * fs.Bsize
}

// Jobs are refused before the disk is full, and taken again when there is room, without
// anybody's help: also when somebody else has filled the disk to its last byte meanwhile.
func TestAFullDiskIsRefusedAndHeals(t *testing.T) {
	j, disk := startOn(t, `mount -t tmpfs -o size=24m none "$0"`)
	j.offload(t, "both")
	gate := filepath.Join(j.dir, "gate")
	all := []accepted{j.accept(t, "GET", "/both/until?first&"+gate, nil), j.accept(t, "GET", "/both/until?second&"+gate, nil)}
	j.await(t, "begin first")
	j.await(t, "begin second")
	body := bytes.Repeat([]byte("girin"), 50<<10)
	var refused answer
	for len(all) < 300 && refused.status == 0 {
		i := len(all)
		switch a := <-j.front.ask("POST", fmt.Sprintf("/both/x?%d", i), bytes.NewReader(body), respondAsync...); a.status {
		case 202:
			all = append(all, acceptedOf(t, a))
		default:
			refused = a
		}
	}
	if refused.status != 503 || refused.head.Get("Retry-After") == "" || !strings.Contains(refused.body, "no room") {
		t.Fatalf("after %d jobs: %+v", len(all), refused)
	}
	if left := free(t, disk); left < 1<<20 {
		t.Errorf("only %d bytes were left when jobs were refused", left)
	}
	served := func(when string) {
		t.Helper()
		if a := <-j.front.ask("GET", "/job/x?"+when, nil); a.status != 200 {
			t.Errorf("who waits, %s: %+v", when, a)
		}
	}
	served("refused")

	filler, err := os.Create(filepath.Join(disk, "filler"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(filler, zeros{}); err == nil {
		t.Fatal("the disk is never full")
	}
	filler.Close()
	open(t, gate) // what has ended cannot be stored
	for end := time.Now().Add(3 * time.Second); time.Now().Before(end); time.Sleep(100 * time.Millisecond) {
		served("waits")
		if a := <-j.front.ask("POST", "/both/x?full", nil, respondAsync...); a.status != 503 {
			t.Fatalf("on a full disk: %+v", a)
		}
	}
	if err := os.Remove(filler.Name()); err != nil {
		t.Fatal(err)
	}
	for i, job := range all { // those that wait take up the room of new ones
		if now := j.ended(t, job); now.Status != "done" {
			t.Errorf("job %d of %d: %+v", i, len(all), now)
		}
		if i >= 2 && j.begun(strconv.Itoa(i)) != 1 {
			t.Errorf("job %d was begun %d times", i, j.begun(strconv.Itoa(i)))
		}
	}
	eventually(t, "jobs are taken again", func() bool {
		return (<-j.front.ask("POST", "/both/x?again", nil, respondAsync...)).status == 202
	})
	if n := j.begun("full"); n != 0 {
		t.Errorf("what was refused was begun %d times", n)
	}
}

type zeros struct{}

func (zeros) Read(b []byte) (int, error) { return len(b), nil }

// Who got a 202 has a job, also if the power goes at once: what the disk itself has at that
// moment is all that a server finds that starts from it.
func TestWhatWasAcceptedOutlivesALossOfPower(t *testing.T) {
	dir := t.TempDir()
	image := filepath.Join(dir, "image")
	makeDisk(t, image)
	j, _ := startOn(t, `mount -o loop `+image+` "$0"`)
	j.offload(t, "both")
	gate := filepath.Join(dir, "gate")
	var mu sync.Mutex
	var all []accepted
	var clients sync.WaitGroup
	quit := make(chan struct{})
	for client := range 4 {
		clients.Go(func() {
			for i := 0; ; i++ {
				size := []int{10, 2000, 600 << 10}[i%3]
				a := <-j.front.ask("POST", fmt.Sprintf("/both/until?%d-%d&%s", client, i, gate), bytes.NewReader(make([]byte, size)), append([]string{"Idempotency-Key", fmt.Sprintf("%d-%d", client, i)}, respondAsync...)...)
				if a.status == 202 {
					mu.Lock()
					all = append(all, acceptedOf(t, a))
					mu.Unlock()
				}
				select {
				case <-quit:
					return
				default:
				}
			}
		})
	}
	soFar := func() []accepted { mu.Lock(); defer mu.Unlock(); return slices.Clone(all) }
	eventually(t, "60 jobs are accepted", func() bool { return len(soFar()) >= 60 })
	engine := engineOf(t, j.front)
	_ = syscall.Kill(engine, syscall.SIGSTOP) // nothing is written any more, nor acknowledged
	promised := soFar()
	if out, err := exec.Command("cp", "--sparse=always", image, image+".then").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	close(quit)
	_ = syscall.Kill(engine, syscall.SIGKILL)
	_ = j.front.end(t, syscall.SIGKILL)
	clients.Wait()

	open(t, gate)
	then, _ := startOn(t, `mount -o loop `+image+`.then "$0"`)
	for i, job := range promised {
		if now := then.ended(t, job); now.Status != "done" {
			t.Errorf("job %d of %d: %+v", i, len(promised), now)
		}
	}
}

// makeDisk makes a file system in a file.
func makeDisk(t *testing.T, image string) {
	t.Helper()
	f, err := os.Create(image)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := f.Truncate(128 << 20); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("mkfs.ext4", "-q", "-F", image).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
}
