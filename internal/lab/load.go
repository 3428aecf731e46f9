package lab

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"girin/internal/bench"
	"girin/internal/lab/plan"
)

// A load is one finished girin bench process.
type load struct {
	stream   plan.Stream
	result   bench.Result
	requests []request
}

// loadTimeout is how long one request may take beyond what its endpoint waits.
const loadTimeout = 30 * time.Second

// runLoads runs a bench process for each stream of a phase, all at once, and waits for all.
func runLoads(ctx context.Context, girin, url string, phase plan.Phase) ([]load, error) {
	dir, err := os.MkdirTemp("", "girin-load-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	type outcome struct {
		i   int
		l   load
		err error
	}
	outcomes := make(chan outcome)
	for i, stream := range phase.Streams {
		go func() {
			l, err := runLoad(ctx, girin, url, stream, phase, filepath.Join(dir, strconv.Itoa(i)))
			outcomes <- outcome{i, l, err}
		}()
	}
	loads := make([]load, len(phase.Streams))
	var errs []error
	for range phase.Streams {
		o := <-outcomes
		loads[o.i] = o.l
		errs = append(errs, o.err)
	}
	return loads, errors.Join(errs...)
}

// runLoad runs girin bench for one stream. Its files begin with base.
func runLoad(ctx context.Context, girin, url string, stream plan.Stream, phase plan.Phase, base string) (load, error) {
	l := load{stream: stream}
	jsonFile, csvFile := base+".json", base+".csv"
	args := append(benchArgs(stream, phase), "--json="+jsonFile, "--csv="+csvFile)
	what, err := targetArgs(stream.Endpoint, url, base)
	if err != nil {
		return l, err
	}
	args = append(args, what...)
	cmd := exec.CommandContext(ctx, girin, args...)
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = 5 * time.Second
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // the terminal's Ctrl-C is for the lab
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	runErr := cmd.Start()
	if runErr == nil {
		goFirst(cmd.Process.Pid)
		runErr = cmd.Wait()
	}
	if ctx.Err() != nil {
		return l, ctx.Err()
	}
	text, err := os.ReadFile(jsonFile)
	if err != nil {
		return l, fmt.Errorf("girin bench left no result: %w: %s", errors.Join(runErr, err), lastLines(stderr.String(), 4))
	}
	if err := json.Unmarshal(text, &l.result); err != nil {
		return l, fmt.Errorf("girin bench: %w", err)
	}
	if l.result.Version != bench.ResultVersion {
		return l, fmt.Errorf("girin bench wrote version %d of its result, this lab reads %d", l.result.Version, bench.ResultVersion)
	}
	l.requests, err = readRequests(csvFile)
	return l, err
}

// benchArgs is the command line of one stream but for files and URL.
func benchArgs(stream plan.Stream, phase plan.Phase) []string {
	timeout := loadTimeout + stream.Takes.Std()
	args := []string{"bench", "-q", "--capture-header", stampHeader}
	l := stream.Load
	if l.Open() {
		args = append(args, "--rate", strconv.FormatFloat(l.Rate, 'g', -1, 64))
		if l.Arrivals != "" {
			args = append(args, "--arrivals", l.Arrivals)
		}
	} else {
		args = append(args, "-c", strconv.Itoa(l.Clients))
	}
	if l.Requests > 0 {
		args = append(args, "-n", strconv.Itoa(l.Requests))
		// A queue of n requests behind one thread waits n times.
		timeout += time.Duration(l.Requests) * stream.Takes.Std()
	} else {
		args = append(args, "-d", phase.Duration.String())
	}
	if !l.Keepalive && !stream.WebSocket {
		args = append(args, "--no-keepalive")
	}
	return append(args, "--timeout", timeout.String())
}
