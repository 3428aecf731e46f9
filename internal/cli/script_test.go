//go:build !windows

package cli

import (
	"os"
	"os/exec"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

// TestMain lets this test binary stand in for girin in the scripts.
func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){
		"girin": func() { os.Exit(Run(os.Args[1:], os.Stdin, os.Stdout, os.Stderr)) },
	})
}

// TestScripts runs testdata/script/*.txtar: command lines as a user types them. Each script
// begins with the bug that it guards against.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		RequireExplicitExec: true,
		Setup:               setUpScript,
	})
}

func setUpScript(env *testscript.Env) error {
	girin, err := exec.LookPath("girin")
	env.Setenv("GIRIN", girin)            // for scripts that change PATH
	env.Setenv("HOME", os.Getenv("HOME")) // some Pythons are found through it
	return err
}
