package sidecar

import (
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// GuardCommand is the program's own word for Guard; it is not for people.
const GuardCommand = "sidecar-guard"

// Descriptors that a guard has of the server's.
const (
	lineFD   = 3
	reportFD = 4
)

// Guard is the whole of a guard's process: it runs a command, and returns its exit
// status when nothing of the command is left.
func Guard(args []string) int {
	runtime.LockOSThread() // the command is told of the end of this thread, which must be that of the process
	unix.CloseOnExec(lineFD)
	unix.CloseOnExec(reportFD)
	g := &guard{report: os.NewFile(reportFD, "report"), told: make(chan byte), came: make(chan os.Signal, 1)}
	// What a service manager sends to all processes ends no guard. It is taken and not
	// ignored, as SIGPIPE is: the command must not inherit that.
	signal.Notify(make(chan os.Signal, 1), syscall.SIGTERM, syscall.SIGINT, syscall.SIGQUIT, syscall.SIGHUP, syscall.SIGUSR1, syscall.SIGUSR2, syscall.SIGPIPE)
	signal.Notify(g.came, syscall.SIGCHLD)
	if err := g.start(args); err != nil {
		g.say("failed %v", err)
		return 127 // a shell's
	}
	g.say("pid %d", g.pid)
	go g.watch(os.NewFile(lineFD, "line")) // ends with the process
	return g.follow()
}

// terminate is what the server writes on the line for TERM to the command. It is no signal
// to the guard, so that the command gets one and not as many as somebody sends to all.
const terminate = 't'

type guard struct {
	report *os.File
	came   chan os.Signal // a child has ended
	told   chan byte      // what came on the line; closed when it is cut
	pid    int            // the command's
}

func (g *guard) say(format string, args ...any) { fmt.Fprintf(g.report, format+"\n", args...) }

func (g *guard) start(args []string) error {
	path, err := exec.LookPath(args[0])
	if err != nil {
		return err
	}
	null, err := os.Open(os.DevNull)
	if err != nil {
		return err
	}
	defer null.Close()
	if err := adopt(); err != nil {
		return err
	}
	g.pid, err = syscall.ForkExec(path, args, &syscall.ProcAttr{
		Env: os.Environ(), Files: []uintptr{null.Fd(), 1, 2}, Sys: attributes(),
	})
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return nil
}

func (g *guard) watch(line *os.File) {
	defer close(g.told)
	for b := make([]byte, 1); ; {
		if _, err := line.Read(b); err != nil {
			return // the server has gone, or wants everything to end
		}
		g.told <- b[0]
	}
}

// follow waits for the command's end, and ends what it leaves behind.
func (g *guard) follow() (code int) {
	for {
		status, ended := g.reap()
		if ended {
			how, code := describe(status)
			g.endRest()
			g.say("ended %s", how)
			return code
		}
		select {
		case <-g.came:
		case b, whole := <-g.told:
			if !whole {
				g.endRest()
				return killedCode
			}
			if b == terminate {
				_ = syscall.Kill(g.pid, syscall.SIGTERM)
			}
		}
	}
}

// killedCode is a shell's for a command that KILL has ended.
const killedCode = 128 + int(syscall.SIGKILL)

// reap takes the children that have ended, orphans too, and looks whether the
// command was among them.
func (g *guard) reap() (status syscall.WaitStatus, ended bool) {
	for {
		var ws syscall.WaitStatus
		pid, err := syscall.Wait4(-1, &ws, syscall.WNOHANG, nil)
		switch {
		case err == syscall.EINTR:
		case err != nil || pid == 0:
			return status, ended
		case pid == g.pid:
			status, ended = ws, true
		}
	}
}

// endRest ends everything that is left. What the kernel does not let go
// of is not waited for: it ends when it can.
func (g *guard) endRest() {
	for late := time.Now().Add(afterKill / 2); time.Now().Before(late); time.Sleep(2 * time.Millisecond) {
		killFamily(g.pid)
		if _, err := syscall.Wait4(-1, nil, syscall.WNOHANG, nil); err == syscall.ECHILD {
			return
		}
		g.reap()
	}
}

func describe(ws syscall.WaitStatus) (how string, code int) {
	if ws.Signaled() {
		return "the signal " + unix.SignalName(ws.Signal()), 128 + int(ws.Signal())
	}
	return fmt.Sprint("exit code ", ws.ExitStatus()), ws.ExitStatus()
}
