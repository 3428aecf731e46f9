package job

import (
	"bytes"
	"encoding/hex"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"girin/internal/wire"
)

var update = flag.Bool("update", false, "write the golden files")

func id(t *testing.T) ID {
	t.Helper()
	id, ok := ParseID("000g40r40m30e209185gr38e1w")
	if !ok {
		t.Fatal("the tests' id is none")
	}
	return id
}

// golden compares bytes with those that another version of this package would read.
func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name+".hex")
	text := hex.Dump(got)
	if *update {
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil || string(want) != text {
		t.Errorf("%s (%v): nodes of another version do not understand this; a new Format is due\n%s", name, err, text)
	}
}

func TestMessagesAreWhatOtherNodesRead(t *testing.T) {
	m := Message{Form: wire.Joined, Base: 1, Window: 1 << 20, Environ: []byte("REQUEST_METHOD\x00POST"), Body: []byte("body")}
	b := m.Append(nil)
	golden(t, "message", b)
	got, err := ParseMessage(b)
	if err != nil || got.Form != m.Form || got.Base != 1 || got.Window != m.Window || !bytes.Equal(got.Environ, m.Environ) || !bytes.Equal(got.Body, m.Body) {
		t.Errorf("%v: %+v", err, got)
	}
	if len(b) != m.Size() {
		t.Errorf("it has %d bytes, not %d", len(b), m.Size())
	}
	for n := range len(b) {
		if _, err := ParseMessage(b[:n]); err == nil {
			t.Errorf("its first %d bytes are one, too", n)
		}
	}
	b[0]++
	if _, err := ParseMessage(b); err != ErrFormat {
		t.Errorf("another format: %v", err)
	}
}

func TestWordsAreWhatOtherNodesRead(t *testing.T) {
	words := map[string]Word{
		"frame": {
			Kind: Frame, Attempt: 2, Seq: 7, ID: id(t), Head: []byte("200 OK\x00A\x00b"), Body: []byte("ok"),
			Frame: wire.Frame{Kind: wire.Response, Flags: wire.Final | wire.Whole, Fields: 1, Body: 2, Service: 5, CPU: wire.NotMeasured},
		},
		"fail":   {Kind: Fail, Attempt: 1, Seq: 3, N: 1, ID: id(t)},
		"credit": {Kind: Credit, Attempt: 1, N: 65536, ID: id(t)},
		"cancel": {Kind: Cancel, Attempt: 65535, ID: id(t)},
		"count":  {Kind: Count, Attempt: 1, Seq: 9, ID: id(t)},
	}
	for name, w := range words {
		b := w.Append(nil)
		golden(t, name, b)
		got, err := ParseWord(b)
		if err != nil || got.Kind != w.Kind || got.Attempt != w.Attempt || got.Seq != w.Seq || got.N != w.N || got.ID != w.ID ||
			!bytes.Equal(got.Head, w.Head) || !bytes.Equal(got.Body, w.Body) || got.Frame.Kind != w.Frame.Kind || got.Frame.Flags != w.Frame.Flags {
			t.Errorf("%s: %v, %+v", name, err, got)
		}
	}
}

// Parts of a frame that was a Response before carry what only that may have.
func TestAPartOfAFrameIsABlock(t *testing.T) {
	w := Word{Kind: Frame, Body: []byte("part"), Frame: wire.Frame{Kind: wire.Block, Flags: wire.Final | wire.Whole, Fields: 3, Body: 1 << 20}}
	got, err := ParseWord(w.Append(nil))
	if err != nil || got.Frame.Body != 4 || got.Frame.Fields != 0 || got.Frame.Flags != wire.Final {
		t.Errorf("%v: %+v", err, got.Frame)
	}
}

func FuzzWord(f *testing.F) {
	f.Add((&Word{Kind: Frame, Head: []byte("200 OK"), Frame: wire.Frame{Kind: wire.Response, Flags: wire.Final}}).Append(nil))
	f.Add((&Word{Kind: Fail}).Append(nil))
	f.Fuzz(func(t *testing.T, b []byte) {
		w, err := ParseWord(b)
		if err != nil {
			return
		}
		again, err := ParseWord(w.Append(nil))
		if err != nil || again.ID != w.ID || !bytes.Equal(again.Body, w.Body) {
			t.Errorf("%v: %+v becomes %+v", err, w, again)
		}
	})
}

func FuzzMessage(f *testing.F) {
	f.Add((&Message{Form: wire.Lengths, Environ: []byte{1, 0, 0, 0, 'a', 0, 0, 0, 0}}).Append(nil))
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := ParseMessage(b)
		if err != nil {
			return
		}
		if !bytes.Equal(m.Append(nil)[1+wire.RequestHead:], b[1+wire.RequestHead:]) {
			t.Error("it changes on its way")
		}
		_, _ = ParseRequest(m.Form, m.Environ)
	})
}

func TestIDs(t *testing.T) {
	a, b := NewID(), NewID()
	if a == b {
		t.Error("two have one name")
	}
	if got, ok := ParseID(a.String()); !ok || got != a {
		t.Errorf("%s becomes %s", a, got)
	}
	for _, text := range []string{"", "x", a.String() + "0", strings.ToUpper(a.String()), a.String()[:25] + "z"} {
		if _, ok := ParseID(text); ok && text != a.String() {
			t.Errorf("%q is taken for one", text)
		}
	}
	if Token("app") != "app" || Token("a.b") == Token("a_b") || strings.ContainsAny(Token("a b.>*"), " .>*") || Token("") == "" {
		t.Error("names do not become parts of a subject")
	}
}

func TestWhatARequestSays(t *testing.T) {
	var lengths []byte
	for _, pair := range [][2]string{{"REQUEST_METHOD", "POST"}, {"PATH_INFO", "/a b"}, {"QUERY_STRING", "q=1"}, {"HTTP_IDEMPOTENCY_KEY", "k"}, {"HTTP_X", "a\x00b"}} {
		lengths = wire.AppendLengths(lengths, pair[0], []byte(pair[1]))
	}
	scope := "POST\x001.1\x00http\x00/a b\x00/a%20b\x00q=1\x00\x00127.0.0.1\x0080\x00idempotency-key\x00k\x00x\x00a\x00x\x00b\x00x_user\x00me"
	for name, r := range map[string]struct {
		form  wire.Form
		block string
		x     string
	}{
		"joined":  {wire.Joined, "REQUEST_METHOD\x00POST\x00PATH_INFO\x00/a b\x00QUERY_STRING\x00q=1\x00HTTP_IDEMPOTENCY_KEY\x00k\x00HTTP_X\x00ab", "ab"},
		"lengths": {wire.Lengths, string(lengths), "a\x00b"},
		"scope":   {wire.ASGIJoined, scope, "a,b"},
	} {
		got, err := ParseRequest(r.form, []byte(r.block))
		if err != nil || got.Method != "POST" || got.Path != "/a b" || got.Query != "q=1" || got.Field("X") != r.x || !got.Idempotent() {
			t.Errorf("%s: %v, %+v", name, err, got)
		}
		if user := got.Field("X-User"); user != "" {
			t.Errorf("%s: x_user passes for X-User: %q", name, user)
		}
	}
	if _, err := ParseRequest(wire.Joined, []byte("A\x00b\x00C")); err == nil {
		t.Error("half a pair is taken for a request")
	}
	if _, err := ParseRequest(wire.Lengths, lengths[:len(lengths)-1]); err == nil {
		t.Error("a block that was cut is taken for a request")
	}
}

func TestWhatARequestSaysItselfCounts(t *testing.T) {
	for _, form := range []wire.Form{wire.Joined, wire.Lengths} {
		block := []byte("REQUEST_METHOD\x00GET")
		if form == wire.Lengths {
			block = wire.AppendLengths(nil, "REQUEST_METHOD", []byte("GET"))
		}
		got, err := ParseRequest(form, WithPairs(form, block, [][2]string{{"REQUEST_METHOD", "POST"}, {"PATH_INFO", "/x"}}))
		if err != nil || got.Method != "GET" || got.Path != "/x" {
			t.Errorf("%v: %+v", err, got)
		}
	}
}
