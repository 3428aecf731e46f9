package http1

import (
	"net/url"
	"strings"
	"testing"
)

var kinds = map[string]Kind{
	"Connection":          KindConnection,
	"Content-Length":      KindContentLength,
	"Content-Type":        KindContentType,
	"Cookie":              KindCookie,
	"Date":                KindDate,
	"Expect":              KindExpect,
	"Host":                KindHost,
	"Keep-Alive":          KindKeepAlive,
	"Proxy-Authenticate":  KindProxyAuthenticate,
	"Proxy-Authorization": KindProxyAuthorization,
	"Proxy-Connection":    KindProxyConnection,
	"Server":              KindServer,
	"TE":                  KindTE,
	"Trailer":             KindTrailer,
	"Transfer-Encoding":   KindTransferEncoding,
	"Upgrade":             KindUpgrade,
}

func TestKindOf(t *testing.T) {
	for name, want := range kinds {
		for _, name := range []string{name, strings.ToLower(name), strings.ToUpper(name)} {
			if got := KindOf(name); got != want {
				t.Errorf("%q: got %d, want %d", name, got, want)
			}
		}
		for i := range len(name) {
			b := []byte(name)
			for _, b[i] = range []byte{name[i] ^ 0x80, name[i] ^ 1, '_', 0} {
				if got := KindOf(b); got != KindOther {
					t.Errorf("%q: got %d", b, got)
				}
			}
		}
	}
	for _, name := range []string{"", "X", "Accept", "X-Forwarded-For", "Content-MD5x", "ho\u017ft"} {
		if got := KindOf(name); got != KindOther {
			t.Errorf("%q: got %d", name, got)
		}
	}
}

func TestIsHopByHop(t *testing.T) {
	want := map[string]bool{"Connection": true, "Keep-Alive": true, "Proxy-Authenticate": true, "Proxy-Authorization": true,
		"Proxy-Connection": true, "TE": true, "Trailer": true, "Transfer-Encoding": true, "Upgrade": true}
	for name, k := range kinds {
		if got := IsHopByHop(k); got != want[name] {
			t.Errorf("%s: got %v", name, got)
		}
	}
	if IsHopByHop(KindOther) {
		t.Error("KindOther is hop by hop")
	}
}

func TestEnvironName(t *testing.T) {
	for name, want := range map[string]string{
		"Host":            "HTTP_HOST",
		"accept-language": "HTTP_ACCEPT_LANGUAGE",
		"Content-Type":    "CONTENT_TYPE",
		"content-length":  "CONTENT_LENGTH",
		"Content_Type":    "HTTP_CONTENT_TYPE",
		"X.Y~1":           "HTTP_X.Y~1",
		"Script_Name":     "HTTP_SCRIPT_NAME",
	} {
		if got := string(EnvironName([]byte("a="), []byte(name))); got != "a="+want {
			t.Errorf("%s: got %s, want %s", name, got, want)
		}
	}
}

func TestAppendUnescaped(t *testing.T) {
	for in, want := range map[string]string{
		"": "", "/": "/", "/a%20b": "/a b", "%2f%2F": "//", "%00": "\x00", "%C3%A9": "\xc3\xa9", "%ff": "\xff",
		"%": "%", "%%": "%%", "%4": "%4", "%zz": "%zz", "%4z": "%4z", "%z4": "%z4", "%%41": "%A", "%25%34%31": "%41",
		"a+b": "a+b", "100%": "100%", "%41%": "A%", "%\xb2\xb2": "%\xb2\xb2",
	} {
		if got := string(AppendUnescaped([]byte(">"), []byte(in))); got != ">"+want {
			t.Errorf("%q: got %q, want %q", in, got, want)
		}
	}
	every := make([]byte, 256)
	for c := range every {
		every[c] = byte(c)
	}
	if got := string(AppendUnescaped(nil, []byte(url.PathEscape(string(every))))); got != string(every) {
		t.Errorf("got %q", got)
	}
}
