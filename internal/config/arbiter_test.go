package config

import (
	"context"
	"testing"
	"time"

	"girin/internal/arbiter"
	"girin/internal/proc"
	"girin/internal/shim"
)

// loadFrom resolves the settings of a server. A configuration file runs where it runs for
// good, in an arbiter.
func loadFrom(t *testing.T, ctx context.Context, args []string, env []string, dir string) (*Config, []Warning, error) {
	t.Helper()
	archive, err := shim.Archive("")
	if err != nil {
		t.Fatal(err)
	}
	starter := proc.NewStarter()
	defer starter.Close()
	a := arbiter.New(arbiter.Config{Starter: starter, Args: shim.ArbiterArgs(), Env: env, Shim: archive, Patience: time.Second})
	ended, cancel := context.WithCancel(context.Background())
	cancel()
	defer a.Close(ended)
	return Source{Args: args, Env: env, Dir: dir, Run: func(ctx context.Context, f File) (Variables, error) {
		values, others, err := a.Load(ctx, arbiter.File(f))
		return Variables{Values: values, Others: others}, err
	}}.Load(ctx)
}
