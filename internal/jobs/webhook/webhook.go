// Package webhook tells a server of somebody else's that something has happened: a POST
// that is signed as Standard Webhooks says (https://www.standardwebhooks.com). It owns where
// such a request may go, since a client names the place: to the hosts that the settings
// allow, at addresses that are public, and nowhere else that an answer may lead to. When one
// is sent again, and what is told, its user knows.
package webhook

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
)

// Config of a Sender.
type Config struct {
	Hosts   []string // HOST or HOST:PORT: where messages may go; without a port 80 and 443
	Private bool     // addresses of this machine and of its network are allowed as well
	KeyFile string   // has the secret: whsec_ and base64
	Agent   string   // User-Agent
}

// Sender sends messages. It may be used by several goroutines.
type Sender struct {
	hosts  []string
	agent  string
	signer *standardwebhooks.Webhook
	client http.Client
}

const (
	sendLimit   = 15 * time.Second // for one attempt
	dialLimit   = 5 * time.Second
	answerMost  = 64 << 10 // bytes of an answer that are read
	headMost    = 64 << 10
	urlMost     = 2048
	afterMost   = time.Hour // that a receiver may ask to be left alone
	shortestKey = 24        // bytes: Standard Webhooks asks for 24 to 64
)

// New reads the key.
func New(c Config) (*Sender, error) {
	text, err := os.ReadFile(c.KeyFile)
	if err != nil {
		return nil, err
	}
	secret := strings.TrimSpace(string(text))
	if err := checkSecret(secret); err != nil {
		return nil, fmt.Errorf("%s: %w", c.KeyFile, err)
	}
	s := &Sender{agent: c.Agent}
	if s.signer, err = standardwebhooks.NewWebhook(secret); err != nil {
		return nil, fmt.Errorf("%s: %w", c.KeyFile, err)
	}
	for _, host := range c.Hosts {
		s.hosts = append(s.hosts, strings.ToLower(host))
	}
	dialer := &net.Dialer{Timeout: dialLimit}
	if !c.Private {
		dialer.ControlContext = refusePrivate
	}
	s.client = http.Client{
		Timeout: sendLimit,
		// A redirect leads where nobody has looked.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Transport: &http.Transport{ // no proxy: it would resolve the name
			DialContext: dialer.DialContext, TLSHandshakeTimeout: dialLimit, ForceAttemptHTTP2: true,
			DisableKeepAlives: true, MaxResponseHeaderBytes: headMost, DisableCompression: true,
		},
	}
	return s, nil
}

// Check reports why messages cannot go to a URL.
func (s *Sender) Check(text string) error {
	if len(text) > urlMost {
		return errors.New("the URL is too long")
	}
	u, err := url.Parse(text)
	switch {
	case err != nil || u.Opaque != "" || u.Hostname() == "":
		return errors.New("it is no URL")
	case u.Scheme != "https" && u.Scheme != "http":
		return errors.New("its scheme is neither https nor http")
	case u.User != nil:
		return errors.New("it has a password in it")
	case u.Fragment != "":
		return errors.New("it has a fragment")
	}
	if !s.allows(strings.ToLower(u.Hostname()), u.Port()) {
		return fmt.Errorf("%s is not one of the hosts that --offload-callback names", u.Host)
	}
	return nil
}

func (s *Sender) allows(host, port string) bool {
	return slices.ContainsFunc(s.hosts, func(allowed string) bool {
		name, only, err := net.SplitHostPort(allowed)
		if err != nil {
			name = strings.Trim(allowed, "[]")
		}
		if name != host {
			return false
		}
		if only == "" {
			return port == "" || port == "80" || port == "443"
		}
		return only == port
	})
}

// Message is what is sent. Its ID is the same whenever it is sent again.
type Message struct {
	ID, URL string
	Body    []byte // JSON
}

// Failure is why a message was not taken.
type Failure struct {
	why   error
	Final bool          // it is of no use to send it again
	After time.Duration // that the receiver asks to be left alone; 0: it does not
}

func (f *Failure) Error() string { return f.why.Error() }

// Unwrap returns the reason.
func (f *Failure) Unwrap() error { return f.why }

// Send sends a message once; nil: it was taken.
func (s *Sender) Send(ctx context.Context, m Message) *Failure {
	if err := s.Check(m.URL); err != nil { // the settings may be others by now
		return &Failure{why: err, Final: true}
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, m.URL, bytes.NewReader(m.Body))
	if err != nil {
		return &Failure{why: err, Final: true}
	}
	now := time.Now()
	signature, err := s.signer.Sign(m.ID, now, m.Body)
	if err != nil {
		return &Failure{why: err}
	}
	r.Header = http.Header{
		"Content-Type": {"application/json"}, "User-Agent": {s.agent}, // as Standard Webhooks writes them:
		"Webhook-Id": {m.ID}, "Webhook-Timestamp": {strconv.FormatInt(now.Unix(), 10)}, "Webhook-Signature": {signature},
	}
	res, err := s.client.Do(r)
	if err != nil {
		return &Failure{why: withoutURL(err), Final: errors.Is(err, errPrivate)}
	}
	defer res.Body.Close()
	_, _ = io.CopyN(io.Discard, res.Body, answerMost)
	switch {
	case res.StatusCode/100 == 2:
		return nil
	case res.StatusCode/100 == 3:
		return &Failure{why: fmt.Errorf("it answers %s, and redirects are not followed", res.Status)}
	case res.StatusCode == http.StatusGone:
		return &Failure{why: errors.New("it answers 410: it wants no more"), Final: true}
	}
	return &Failure{why: fmt.Errorf("it answers %s", res.Status), After: retryAfter(res)}
}

// withoutURL leaves out what the line says already.
func withoutURL(err error) error {
	var u *url.Error
	if errors.As(err, &u) {
		return u.Err
	}
	return err
}

func retryAfter(res *http.Response) time.Duration {
	seconds, err := strconv.ParseUint(res.Header.Get("Retry-After"), 10, 32)
	if err != nil {
		return 0
	}
	return min(time.Duration(seconds)*time.Second, afterMost)
}
