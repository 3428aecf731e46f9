//go:build !windows

package cli

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/nats-io/nkeys"
	"github.com/spf13/pflag"

	"girin/internal/jobs/webhook"
	"girin/internal/program"
)

const offloadUsage = `Looks after the queue that servers of an application share.

usage: girin offload status           how a running server's jobs are
       girin offload peers            which servers share them
       girin offload keygen [FILE]    make the key that they show each other (--offload-key);
                                      without a file it is printed
       girin offload webhook-key [FILE]  make the secret that callbacks are signed with
                                      (--offload-callback-key)

`

// runOffload is the offload command.
func runOffload(env *program.Env, args []string) int {
	f := newCtlFlags("girin offload")
	asJSON := f.set.Bool("json", false, "print it as JSON")
	err := inWords(f.set.Parse(args))
	if errors.Is(err, pflag.ErrHelp) {
		io.WriteString(env.Stdout, offloadUsage+f.set.FlagUsages())
		return 0
	}
	words := f.set.Args()
	if err == nil {
		err = checkOffloadWords(words)
	}
	if err != nil {
		fmt.Fprintf(env.Stderr, "girin offload: %v\n", err)
		return program.Usage
	}
	a := asker{env: env}
	if makesKey := keys[words[0]]; makesKey != nil {
		err = writeKey(env, makesKey, strings.Join(words[1:], ""))
	} else if a.path, err = f.path(env); err == nil {
		err = a.offloadStatus(words[0] == "peers", *asJSON)
	}
	if err != nil {
		fmt.Fprintf(env.Stderr, "girin offload: %v\n", err)
		return program.Failed
	}
	return 0
}

func checkOffloadWords(words []string) error {
	most := 1
	switch {
	case len(words) == 0:
		return errors.New("say what to do: girin offload status, peers, keygen or webhook-key")
	case keys[words[0]] != nil:
		most = 2
	case words[0] != "status" && words[0] != "peers":
		return fmt.Errorf("there is no %q, only: status, peers, keygen, webhook-key", words[0])
	}
	if len(words) > most {
		return fmt.Errorf("unexpected argument %q", words[most])
	}
	return nil
}

// keys are made by the words that ask for them.
var keys = map[string]func() (string, error){
	"keygen": func() (string, error) {
		pair, err := nkeys.CreateUser()
		if err != nil {
			return "", err
		}
		seed, err := pair.Seed()
		return string(seed), err
	},
	"webhook-key": func() (string, error) { return webhook.NewSecret(), nil },
}

// writeKey makes a key, in a file that only its owner can read.
func writeKey(env *program.Env, makesKey func() (string, error), path string) error {
	seed, err := makesKey()
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
