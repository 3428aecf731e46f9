package neighbours

import (
	"os/exec"
	"runtime"
	"testing"
	"time"
)

func TestMachineCPU(t *testing.T) {
	for stat, want := range map[string]time.Duration{
		"cpu  100 20 30 4000 500 6 7 8 0 0\ncpu0 1 2 3\ncpu1 1 2 3\nintr 1\n": 1710 * time.Millisecond, // user, nice, system, irq, softirq, stolen
		"cpu  1 2 3 4":              -1,
		"":                          -1,
		"cpu a 2 3 4 5 6 7 8 9 10":  -1,
		"intr 1 2 3 4 5 6 7 8 9 10": -1,
	} {
		got, cores, known := machineCPU(stat)
		if !known {
			got = -1
		}
		if got != want || known && cores != 2 {
			t.Errorf("%q: %v of %d cores, want %v", stat, got, cores, want)
		}
	}
}

// What this program's own children use is not others'; what somebody else's does is.
func TestNeighbours(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Fatal("only Linux tells")
	}
	n := Watch()
	spin := exec.Command("sh", "-c", "while :; do :; done")
	if err := spin.Start(); err != nil {
		t.Fatal(err)
	}
	time.Sleep(500 * time.Millisecond) // it spins
	_ = spin.Process.Kill()
	_ = spin.Wait()
	used := spin.ProcessState.UserTime() + spin.ProcessState.SystemTime()
	took := time.Since(n.began)
	others := n.Cores(0)
	mistaken := n
	mistaken.ours += used // as if the child were somebody else's
	if got := mistaken.Cores(0) - others; got < 0.8*used.Seconds()/took.Seconds() || used < 20*time.Millisecond {
		t.Errorf("a child that used %v in %v makes a difference of %.2f cores", used, took, got)
	}
	if others > float64(runtime.NumCPU())+0.2 {
		t.Errorf("others use %.2f of %d cores", others, runtime.NumCPU())
	}
}

// Where only some of the cores are used, others may have the rest.
func TestCrowd(t *testing.T) {
	for _, tt := range []struct {
		others        float64
		usable, cores int
		want          bool
	}{{0.1, 2, 2, false}, {0.4, 2, 2, true}, {0.9, 1, 2, false}, {1.2, 1, 2, true}, {40, 2, 64, false}, {20, 64, 64, true}} {
		if got := crowds(tt.others, tt.usable, tt.cores); got != tt.want {
			t.Errorf("%v", tt)
		}
	}
	if Crowd(0, 1) || !Crowd(1e6, 1) {
		t.Error("Crowd")
	}
}
