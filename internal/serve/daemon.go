package serve

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"syscall"

	"golang.org/x/sys/unix"

	"girin/internal/config"
	"girin/internal/interpreter"
	"girin/internal/program"
)

// A Go program cannot fork, so --daemon starts the program once more:
//
//	girin -D app ──starts──▶ girin -D app, leader of a session of its own
//	   waits  ◀── "listening", on its standard input ──┤
//	   exits 0                                          ▼ leaves the terminal, serves
//
// What goes wrong before that is told on the terminal, and is the exit status.

// daemonMark, in the environment, is what the second one knows itself by.
const daemonMark = "GIRIN_DAEMON=1"

// IsDaemon reports whether this is the program that Daemonize has started.
func IsDaemon(env *program.Env) bool { return slices.Contains(env.Environ, daemonMark) }

// Daemonize starts the server in the background and returns once it listens.
func Daemonize(env *program.Env, cfg *config.Config, args []string) int {
	if cfg.ErrorLog == "-" && !cfg.StdioInheritance && !cfg.Syslog {
		fmt.Fprintln(env.Stderr, "girin: warning: nobody will see the log of a server in the background; --error-logfile FILE keeps it")
	}
	code, err := startDaemon(env, args)
	if err != nil {
		fmt.Fprintf(env.Stderr, "girin: --daemon: %v\n", err)
	}
	return code
}

func startDaemon(env *program.Env, args []string) (code int, err error) {
	path, err := os.Executable()
	if err != nil {
		return program.Failed, err
	}
	r, w, err := os.Pipe()
	if err != nil {
		return program.Failed, err
	}
	defer r.Close()
	cmd := exec.Command(path, append([]string{"serve"}, args...)...)
	cmd.Env = append(slices.Clone(env.Environ), daemonMark)
	if launcher := interpreter.LauncherForDaemon(env.Getenv); launcher != "" {
		cmd.Env = append(cmd.Env, launcher)
	}
	cmd.Stdin, cmd.Stdout, cmd.Stderr = w, env.Stdout, env.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	err = cmd.Start()
	w.Close()
	if err != nil {
		return program.Failed, err
	}
	if n, _ := io.ReadFull(r, make([]byte, 1)); n == 1 {
		return 0, cmd.Process.Release()
	}
	_ = cmd.Wait()
	return cmd.ProcessState.ExitCode(), nil
}

// detach tells whoever waits that the server listens, and leaves the terminal.
func (s *server) detach() error {
	if !s.cfg.Daemon {
		return nil
	}
	if _, err := os.Stdin.Write([]byte{1}); err != nil {
		return fmt.Errorf("--daemon: %w", err)
	}
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer null.Close()
	standard := []int{0, 1, 2}
	if s.cfg.StdioInheritance {
		standard = standard[:1]
	}
	for _, fd := range standard {
		if err := unix.Dup2(int(null.Fd()), fd); err != nil {
			return err
		}
	}
	return nil
}
