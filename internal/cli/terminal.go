package cli

import (
	"os"

	"golang.org/x/term"

	"girin/internal/program"
)

// onTerminal reports whether a stream is a terminal.
func onTerminal(stream any) bool {
	f, ok := stream.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// redraws reports whether standard error is a terminal on which a line can be drawn over. One that
// calls itself dumb, as editors' and CI's do, would show the codes for that.
func redraws(env *program.Env) bool { return onTerminal(env.Stderr) && env.Getenv("TERM") != "dumb" }

// columns is how wide standard error is; nil if nothing can be drawn over there.
func columns(env *program.Env) func() int {
	if !redraws(env) {
		return nil
	}
	f := env.Stderr.(*os.File)
	return func() int {
		if width, _, err := term.GetSize(int(f.Fd())); err == nil && width > 0 {
			return width
		}
		return 80
	}
}
