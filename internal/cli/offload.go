package cli

import (
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/nats-io/nkeys"
	"github.com/spf13/pflag"

	"girin/internal/program"
)

const offloadUsage = `Looks after the queue that servers of an application share.

usage: girin offload keygen [FILE]    make the key that they show each other (--offload-key);
                                      without a file it is printed

`

// runOffload is the offload command.
func runOffload(env *program.Env, args []string) int {
	set := pflag.NewFlagSet("girin offload", pflag.ContinueOnError)
	set.SetOutput(io.Discard)
	err := set.Parse(args)
	if errors.Is(err, pflag.ErrHelp) {
		io.WriteString(env.Stdout, offloadUsage)
		return 0
	}
	args = set.Args()
	switch {
	case err != nil:
	case len(args) == 0:
		err = errors.New("say what to do: girin offload keygen")
	case args[0] != "keygen":
		err = fmt.Errorf("there is no %q, only: girin offload keygen", args[0])
	case len(args) > 2:
		err = fmt.Errorf("unexpected argument %q", args[2])
	}
	if err != nil {
		fmt.Fprintf(env.Stderr, "girin offload: %v\n", err)
		return program.Usage
	}
	path := ""
	if len(args) == 2 {
		path = args[1]
	}
	if err := keygen(env, path); err != nil {
		fmt.Fprintf(env.Stderr, "girin offload: %v\n", err)
		return program.Failed
	}
	return 0
}

// keygen makes a key, in a file that only its owner can read.
func keygen(env *program.Env, path string) error {
	pair, err := nkeys.CreateUser()
	if err != nil {
		return err
	}
	seed, err := pair.Seed()
	if err != nil {
		return err
	}
	if path == "" {
		_, err = fmt.Fprintf(env.Stdout, "%s\n", seed)
		return err
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	if _, err = fmt.Fprintf(f, "%s\n", seed); err != nil {
		f.Close()
		return err
	}
	return f.Close()
}
