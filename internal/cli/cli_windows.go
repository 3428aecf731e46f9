// Package cli is the command line on Windows: girin bench alone.
package cli

import (
	"fmt"
	"io"
	"os"

	"girin/internal/program"
)

// Run runs one command line, without the program's name, and returns the exit status.
func Run(args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	env := &program.Env{Stdin: stdin, Stdout: stdout, Stderr: stderr, Getenv: os.Getenv, Environ: os.Environ()}
	switch {
	case len(args) > 0 && args[0] == "bench":
		return runBench(env, args[1:])
	case len(args) == 1 && (args[0] == "version" || args[0] == "--version"):
		fmt.Fprintf(stdout, "girin %s\n", program.Version())
		return 0
	}
	fmt.Fprintln(stderr, "girin: on Windows there is girin bench alone. To serve, use WSL: https://learn.microsoft.com/windows/wsl/install")
	return program.Usage
}
