package http1

import (
	"strings"
	"testing"
)

// Extended CONNECT (RFC 8441) is what the server must have offered.
func TestExtendedConnect(t *testing.T) {
	const websocket = ":method CONNECT :protocol websocket :scheme https :path /chat?a=b :authority x"
	for _, c := range []struct {
		fields  string
		offered bool
		want    *Error
	}{
		{websocket, true, nil},
		{websocket, false, errPseudo},
		{":method GET :protocol websocket :scheme https :path / :authority x", true, errPseudo},
		{":method CONNECT :protocol websocket :authority x", true, errPseudoMissing},
		{":method CONNECT :protocol websocket :protocol websocket :scheme https :path / :authority x", true, errPseudo},
		{":method CONNECT :scheme https :path / :authority x", true, errConnect},
		{":method CONNECT :authority x", true, errConnect},
	} {
		l := DefaultLimits()
		l.Connect = c.offered
		var r Request
		r.Reset()
		err := addAll(&r, c.fields, &l)
		if err == nil {
			err = r.End(false, &l)
		}
		if err != c.want {
			t.Errorf("%s, offered: %v: the verdict is %v, want %v", c.fields, c.offered, err, c.want)
		}
		if err == nil && (string(r.Protocol) != "websocket" || string(r.Path) != "/chat" || string(r.Host) != "x" || !r.Chunked) {
			t.Errorf("%s is %q %q %q", c.fields, r.Protocol, r.Path, r.Host)
		}
	}
}

func addAll(r *Request, fields string, l *Limits) *Error {
	words := strings.Fields(fields)
	for i := 0; i+1 < len(words); i += 2 {
		if err := r.Add([]byte(words[i]), []byte(words[i+1]), l); err != nil {
			return err
		}
	}
	return nil
}
