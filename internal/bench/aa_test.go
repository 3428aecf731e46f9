package bench

import (
	"bufio"
	"context"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"girin/internal/verdict"
)

// Twelve servers that are the same program, each against each: 66 pairs, of which at most 5 % may be told apart. It takes
// about 70 seconds of a machine that does nothing else, and is made with
//
//	GIRIN_AA=1 go test ./internal/bench -run TestTwelveSameServers -v
//
// GIRIN_AA=300ms makes shorter runs. Without it three servers are compared in short runs, whose errors are chance.
func TestTwelveSameServers(t *testing.T) {
	servers, blocks, each := 3, 3, 100*time.Millisecond
	long := os.Getenv("GIRIN_AA") != ""
	if long {
		servers, blocks, each = 12, 5, time.Second
		if d, err := time.ParseDuration(os.Getenv("GIRIN_AA")); err == nil {
			each = d
		}
	}
	urls := knownServers(t, servers)
	runs := make([][]RunFigures, servers)
	rnd := rand.New(rand.NewPCG(1, 2))
	for block := range blocks {
		for _, i := range rnd.Perm(servers) { // blocks, so that what the machine does else falls on all alike
			res, err := RunTimes(t.Context(), Options{Targets: []Target{{URL: urls[i] + "/fixed"}}, Duration: each, Warmup: each / 10, Clients: 16, Seed: uint64(block)}, 1)
			if err != nil {
				t.Fatal(err)
			}
			runs[i] = append(runs[i], res.runs()...)
		}
	}
	told, pairs, count := 0, 0, map[Verdict]int{}
	for i := range runs {
		for k := range i {
			a := compare(runs[k], runs[i], DefaultMargin)
			pairs++
			count[a.Verdict]++
			if a.Verdict == Worse || a.Verdict == Better {
				told++
				t.Logf("%d and %d: %+v", k, i, a.Figures)
			}
		}
	}
	t.Logf("%d of %d pairs are told apart: %v; two runs of one server differ by up to %.2f %%", told, pairs, count,
		100*verdict.Noise(ratesOf(runs), verdict.Rule{MoreIsBetter: true}).Differ())
	if long && float64(told) > 0.05*float64(pairs) {
		t.Errorf("%d of %d pairs of the same server are told apart", told, pairs)
	}
	if !long && told == pairs {
		t.Errorf("all %d pairs are told apart", pairs)
	}
}

func ratesOf(runs [][]RunFigures) (out [][]float64) {
	for _, r := range runs {
		out = append(out, valuesOf(rateFigure, r))
	}
	return out
}

// knownServers starts so many, each a process of its own, and returns their URLs.
func knownServers(t *testing.T, n int) (urls []string) {
	t.Helper()
	program := filepath.Join(t.TempDir(), "knownserver")
	if out, err := exec.Command("go", "build", "-o", program, "./knownserver").CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	for range n {
		ctx, end := context.WithCancel(context.Background())
		cmd := exec.CommandContext(ctx, program)
		out, err := cmd.StdoutPipe()
		if err == nil {
			err = cmd.Start()
		}
		if err != nil {
			end()
			t.Fatal(err)
		}
		t.Cleanup(func() { end(); _ = cmd.Wait() })
		line, err := bufio.NewReader(out).ReadString('\n')
		if err != nil {
			t.Fatal(err)
		}
		urls = append(urls, "http://"+strings.TrimSpace(line))
	}
	return urls
}
