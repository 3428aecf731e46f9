package cli

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"

	"girin/internal/bench"

	"github.com/spf13/pflag"
)

// connectFlags say how connections are made.
type connectFlags struct {
	cacert, cert, key string
	connectTo         string
	only4, only6      bool
}

func (f *connectFlags) add(o *bench.Options, fs *pflag.FlagSet) {
	fs.IntVar(&o.Streams, "streams", 0, "with --http2, `N` clients share a connection, each with a stream at a time (h2load's -m)")
	fs.StringVar(&f.cacert, "cacert", "", "trust the certificates in this PEM `FILE` instead of the system's")
	fs.StringVar(&f.cert, "cert", "", "the client's certificate, a PEM `FILE` which may hold its key too")
	fs.StringVar(&f.key, "key", "", "the key of --cert, a PEM `FILE`")
	fs.StringVar(&f.connectTo, "connect-to", "", "connect to this `HOST:PORT` instead of the URL's, or as curl takes it, HOST1:PORT1:HOST2:PORT2")
	fs.BoolVarP(&f.only4, "ipv4", "4", false, "use IPv4 only")
	fs.BoolVarP(&f.only6, "ipv6", "6", false, "use IPv6 only")
}

func (f *connectFlags) apply(o *bench.Options) error {
	switch {
	case f.only4 && f.only6:
		return errors.New("-4 and -6 exclude each other")
	case f.only4:
		o.Network = "tcp4"
	case f.only6:
		o.Network = "tcp6"
	}
	if f.connectTo != "" {
		to, err := parseConnectTo(f.connectTo)
		if err != nil {
			return err
		}
		o.ConnectTo = to
	}
	if f.cacert != "" {
		pem, err := os.ReadFile(f.cacert)
		if err != nil {
			return fmt.Errorf("--cacert: %w", err)
		}
		o.RootCAs = x509.NewCertPool()
		if !o.RootCAs.AppendCertsFromPEM(pem) {
			return fmt.Errorf("--cacert: %s holds no PEM certificate", f.cacert)
		}
	}
	if f.cert == "" {
		if f.key != "" {
			return errors.New("--key is the key of --cert, which is not given")
		}
		return nil
	}
	key := f.key
	if key == "" {
		key = f.cert
	}
	pair, err := tls.LoadX509KeyPair(f.cert, key)
	if err != nil {
		return fmt.Errorf("--cert: %w", err)
	}
	o.Certificates = []tls.Certificate{pair}
	return nil
}

// parseConnectTo reads HOST:PORT, or curl's form of four parts, of which the first two are the URL's.
func parseConnectTo(text string) (string, error) {
	last := text
	if parts := strings.SplitN(text, ":", 3); len(parts) == 3 && !strings.HasPrefix(text, "[") {
		last = parts[2]
	}
	host, port, err := net.SplitHostPort(last)
	if host == "unix" && strings.Contains(port, "/") {
		return "", fmt.Errorf("--connect-to: did you mean --unix %s?", port)
	}
	if err != nil || host == "" || port == "" {
		return "", fmt.Errorf("--connect-to: %q is not HOST:PORT", text)
	}
	return last, nil
}
