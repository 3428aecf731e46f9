package sidecar

import (
	"bufio"
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
	g := &guard{report: os.NewFile(reportFD, "report"), cut: make(chan struct{}), came: make(chan os.Signal, waitingSignals)}
	// SIGPIPE is among them so that the command does not inherit the server's ignoring of it.
	signal.Notify(g.came, append(passed, syscall.SIGCHLD, syscall.SIGPIPE)...)
	if err := g.start(args); err != nil {
		g.say("failed %v", err)
		return 127 // a shell's
	}
	g.say("pid %d", g.pid)
	go g.watch(os.NewFile(lineFD, "line")) // ends with the process
	return g.follow()
}

// passed are the signals that a guard passes on to its command.
var passed = []os.Signal{syscall.SIGTERM, syscall.SIGINT, syscall.SIGQUIT, syscall.SIGHUP, syscall.SIGUSR1, syscall.SIGUSR2}

const waitingSignals = 16

type guard struct {
	report *os.File
	came   chan os.Signal
	cut    chan struct{} // closed when the server has gone, or wants everything to end
	pid    int           // the command's
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
	_, _ = bufio.NewReader(line).ReadByte() // nothing ever comes
	close(g.cut)
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
		case sig := <-g.came:
			if sig != syscall.SIGCHLD && sig != syscall.SIGPIPE {
				_ = syscall.Kill(g.pid, sig.(syscall.Signal))
			}
		case <-g.cut:
			g.endRest()
			return killedCode
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
