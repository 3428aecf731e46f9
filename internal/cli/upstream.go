//go:build !windows

package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os/signal"
	"syscall"
	"time"

	"github.com/mccutchen/go-httpbin/v2/httpbin"
	"github.com/spf13/pflag"

	"girin/internal/program"
)

// upstreamMaxDelay bounds /delay/N and the other endpoints that take their time.
const upstreamMaxDelay = 60 * time.Second

// runUpstream serves httpbin's endpoints until INT or TERM: the slow external API that
// an application under test calls, without a network.
func runUpstream(env *program.Env, args []string) int {
	flags := pflag.NewFlagSet("girin upstream", pflag.ContinueOnError)
	flags.SetOutput(io.Discard)
	bind := flags.StringP("bind", "b", "127.0.0.1:8001", "address to listen on")
	err := flags.Parse(args)
	if errors.Is(err, pflag.ErrHelp) {
		fmt.Fprintf(env.Stdout, "Serves a local HTTP API (httpbin): /delay/SECONDS, /get, /status/CODE and so on.\n\n"+
			"usage: girin upstream [OPTIONS]\n\n%s", flags.FlagUsages())
		return 0
	}
	if err == nil && flags.NArg() > 0 {
		err = fmt.Errorf("unexpected argument %q", flags.Arg(0))
	}
	if err != nil {
		fmt.Fprintf(env.Stderr, "girin upstream: %v\n", err)
		return 2
	}

	listener, err := net.Listen("tcp", *bind)
	if err != nil {
		fmt.Fprintf(env.Stderr, "girin upstream: --bind: %v\n", err)
		return 1
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	fmt.Fprintf(env.Stdout, "upstream listens on http://%s (try /delay/5)\n", listener.Addr())
	if err := serveUpstream(ctx, listener); err != nil {
		fmt.Fprintf(env.Stderr, "girin upstream: %v\n", err)
		return 1
	}
	return 0
}

// serveUpstream answers on listener until ctx is done, and then closes every connection.
func serveUpstream(ctx context.Context, listener net.Listener) error {
	server := &http.Server{
		Handler:           httpbin.New(httpbin.WithMaxDuration(upstreamMaxDelay)).Handler(),
		ReadHeaderTimeout: 20 * time.Second,
	}
	defer context.AfterFunc(ctx, func() { server.Close() })()
	if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}
