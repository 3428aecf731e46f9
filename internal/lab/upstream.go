package lab

import (
	"bufio"
	"fmt"
	"os"
	"regexp"
	"syscall"
	"time"

	"girin/internal/lab/plan"
	"girin/internal/proc"
)

// An upstream is the process that plays the slow external API; nil if the plan has none.
type upstream struct {
	process *proc.Process
	output  *os.File
}

// startUpstream starts girin upstream if the plan asks for it and tells the app of it.
func startUpstream(p *plan.Plan, w *workshop, starter *proc.Starter) (*upstream, error) {
	if p.Upstream == nil {
		return nil, nil
	}
	read, write, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	process, err := starter.Start(proc.Spec{
		Path: w.girin, Args: []string{"upstream", "--bind", "127.0.0.1:0"}, Env: w.env, Out: write,
	})
	write.Close()
	if err != nil {
		read.Close()
		return nil, err
	}
	u := &upstream{process: process, output: read}
	line, err := bufio.NewReader(read).ReadString('\n')
	url := regexp.MustCompile(`http://[0-9.:]+`).FindString(line)
	if err != nil || url == "" {
		u.stop()
		return nil, fmt.Errorf("girin upstream did not say where it listens: %q", line)
	}
	w.env = append(w.env, "UPSTREAM_URL="+url+p.Upstream.Path)
	return u, nil
}

func (u *upstream) stop() {
	if u == nil {
		return
	}
	_ = u.process.Signal(syscall.SIGTERM) // it may have ended
	u.process.Stop(time.Second)
	u.output.Close()
}
