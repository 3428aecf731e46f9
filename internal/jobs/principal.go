package jobs

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"io"
	"net/http"
	"strings"

	"github.com/nats-io/nats.go/jetstream"
)

// Auth says by what a client shows that a job is its own.
type Auth struct {
	Field  string // of the request's head
	Cookie string // one cookie of it; "": all of Field
}

// ParseAuth reads none, authorization or cookie:NAME.
func ParseAuth(text string) (a Auth, ok bool) {
	switch name, cookie := strings.CutPrefix(text, "cookie:"); {
	case text == "none":
		return Auth{}, true
	case text == "authorization":
		return Auth{Field: "Authorization"}, true
	case cookie && name != "" && !strings.ContainsAny(name, " ;=,\t"):
		return Auth{Field: "Cookie", Cookie: name}, true
	}
	return a, false
}

// shown is what a request shows; "": nothing.
func (a Auth) shown(r *http.Request) string {
	if a.Cookie == "" {
		return r.Header.Get(a.Field)
	}
	if c, err := r.Cookie(a.Cookie); err == nil {
		return c.Value
	}
	return ""
}

// principal says whose a job is: of those who show the same. Nobody can tell from it what
// that was without the store's secret.
func (s *store) principal(r *http.Request) []byte {
	mac := hmac.New(sha256.New, s.secret)
	_, _ = io.WriteString(mac, s.n.cfg.Auth.shown(r))
	return mac.Sum(nil)
}

// secretKey is where the store has what its principals are made with.
const secretKey = "principal"

// openSecret returns the store's secret, which the first node has drawn.
func (s *store) openSecret(ctx context.Context) ([]byte, error) {
	drawn := make([]byte, sha256.Size)
	_, _ = rand.Read(drawn) // which never fails
	_, err := s.meta.Create(ctx, secretKey, drawn)
	if err == nil {
		return drawn, nil
	}
	if !errors.Is(err, jetstream.ErrKeyExists) {
		return nil, err
	}
	e, err := s.meta.Get(ctx, secretKey)
	if err != nil {
		return nil, err
	}
	return e.Value(), nil
}
