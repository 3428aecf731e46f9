package bench

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"time"
)

// Limits that hold whatever the options say.
const (
	// DefaultMaxSamples is how many requests are kept one by one: 64 bytes each.
	DefaultMaxSamples = 1 << 20
	// mostClients bounds what a slip of the finger takes of the machine's memory: each has buffers, and 64,512 ports is all there are.
	mostClients = 100_000
	// DefaultMaxClients bounds the open loop where Options.Clients is zero.
	DefaultMaxClients = 4096

	defaultTimeout = 30 * time.Second // as ab -s
)

// Options says what to do. The zero value of a field means what its comment says.
type Options struct {
	Targets []Target // at least one, all with the same scheme and host

	// Clients is the number of connections with a request each. Zero means 1 in the closed loop, and as many as the
	// schedule needs, up to DefaultMaxClients, in the open loop.
	Clients int
	// Requests ends the run after so many. Zero means no limit; then Duration must be set.
	Requests int64
	// Duration ends the run after so long: no request is begun or scheduled later. Zero means no limit.
	Duration time.Duration
	// Warmup makes the same load for so long before, and forgets what came of it. Zero means none.
	Warmup time.Duration
	// NoKeepAlive opens a connection for each request.
	NoKeepAlive bool

	// Rate makes the loop open. The zero Rate means a closed loop.
	Rate RateCurve
	// Poisson draws random gaps between arrivals instead of equal ones.
	Poisson bool
	// Seed is of the random gaps and the order of targets. Zero is a seed like any other.
	Seed uint64

	// Timeout is for one request: from its scheduled time in the open loop, from connecting or sending in the closed
	// one. Zero means 30 s.
	Timeout time.Duration
	// Follow follows redirects on the same host, ten at most. HTTP/1.1 only.
	Follow bool
	// Expect is the statuses that count as success. Empty means 200 to 399.
	Expect StatusSet
	// Scenario makes each client take the targets in their order, from the first again after the last or after a failure;
	// weights count no more.
	Scenario bool
	// Random fills placeholders in URLs, header values and bodies in (parsePattern), as Scenario does too.
	Random bool
	// Stages are how many clients of a closed loop are at work, and for how long. Empty means Clients, all the time.
	Stages Stages
	// Events times each event of a streamed response: what an empty line ends, as in text/event-stream.
	Events bool
	// KeepGoing makes no end of the run where for a while no connection can be made.
	KeepGoing bool
	// CaptureHeaders names response headers whose values go into the CSV.
	CaptureHeaders []string

	// ConnectTo is the HOST:PORT to connect to instead of the URL's. Empty means the URL's.
	ConnectTo string
	// Network is "tcp4" or "tcp6" to use only that; empty means either.
	Network string
	// RootCAs are whom certificates must be signed by; nil means the system's. Certificates are the client's own.
	RootCAs      *x509.CertPool
	Certificates []tls.Certificate
	// UnixSocket is the path to connect to instead of the URL's host. Empty means TCP.
	UnixSocket string
	// Insecure accepts any certificate.
	Insecure bool
	// HTTP2 speaks HTTP/2, over cleartext with prior knowledge for http URLs.
	HTTP2 bool
	// Streams is how many clients share an HTTP/2 connection, each with a stream of its own. Zero and 1 mean none.
	Streams int

	// MaxSamples bounds memory: requests beyond it are only counted in histograms. Zero means DefaultMaxSamples.
	MaxSamples int
	// Progress is called four times a second from one goroutine. Nil means nobody looks.
	Progress func(Progress)
}

// OptionError is a mistake in Options.
type OptionError struct{ err error }

func (e *OptionError) Error() string { return e.err.Error() }
func (e *OptionError) Unwrap() error { return e.err }

// withDefaults checks o and fills in what is zero.
func (o Options) withDefaults() (Options, error) {
	switch {
	case len(o.Targets) == 0:
		return o, errors.New("no URL given")
	case o.Clients < 0:
		return o, fmt.Errorf("clients: %d is negative", o.Clients)
	case o.Requests < 0:
		return o, fmt.Errorf("requests: %d is negative", o.Requests)
	case o.Requests == 0 && o.Duration <= 0 && len(o.Stages) == 0:
		return o, errors.New("neither a number of requests nor a duration is given")
	case o.Duration < 0 || o.Timeout < 0 || o.Warmup < 0:
		return o, errors.New("durations must not be negative")
	case o.MaxSamples < 0:
		return o, fmt.Errorf("samples: %d is negative", o.MaxSamples)
	case o.Streams < 0 || o.Streams > 1 && (!o.HTTP2 || o.NoKeepAlive):
		return o, errors.New("streams share an HTTP/2 connection that is kept open")
	case o.Follow && o.HTTP2:
		return o, errors.New("redirects are followed over HTTP/1.1 only")
	case o.Rate.To != o.Rate.From && o.Duration == 0:
		return o, errors.New("a rate that changes needs a duration")
	}
	if err := o.Rate.check(); err != nil {
		return o, err
	}
	if len(o.Stages) > 0 {
		if o.Rate.open() || o.Clients > 0 || o.Requests > 0 {
			return o, errors.New("stages say how many clients there are and for how long: no other number of clients, requests or rate goes with them")
		}
		o.Clients, o.Duration = o.Stages.most(), o.Stages.takes()
	}
	if o.Clients == 0 {
		o.Clients = 1
		if o.Rate.open() {
			o.Clients = DefaultMaxClients
		}
	}
	if o.Clients > mostClients {
		return o, fmt.Errorf("%d clients are more than the %d that one machine can be", o.Clients, mostClients)
	}
	if o.Requests > 0 && !o.Rate.open() && int64(o.Clients) > o.Requests {
		return o, fmt.Errorf("%d clients cannot share %d requests", o.Clients, o.Requests)
	}
	if o.Timeout == 0 {
		o.Timeout = defaultTimeout
	}
	if o.MaxSamples == 0 {
		o.MaxSamples = DefaultMaxSamples
	}
	if len(o.Expect) == 0 {
		o.Expect = StatusSet{{200, 399}}
	}
	return o, nil
}
