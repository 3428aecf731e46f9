package h2

import (
	"fmt"
	"strings"
	"testing"

	"golang.org/x/net/http2/hpack"
	"pgregory.net/rapid"
)

// Whatever is encoded, whatever sizes the client gives the table: its decoder
// reads the same.
func TestTheDecoderReadsTheSame(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		e := &encoder{}
		e.init()
		d := hpack.NewDecoder(tableMost, nil)
		names := []string{"Date", "x-a", "x-b", "Content-Length", "set-cookie", "SERVER", "x-" + strings.Repeat("long", 50)}
		for range rapid.IntRange(1, 30).Draw(t, "blocks") {
			for range rapid.IntRange(0, 2).Draw(t, "resizes") {
				n := rapid.SampledFrom([]uint32{0, 40, 100, 1000, 4096, 1 << 20}).Draw(t, "size")
				d.SetAllowedMaxDynamicTableSize(max(n, tableMost))
				e.resize(n)
			}
			code := rapid.SampledFrom([]int{200, 103, 204, 301, 404, 599}).Draw(t, "code")
			want := fmt.Sprintf(":status=%d\n", code)
			b := e.status(e.begin(nil), code)
			for range rapid.IntRange(0, 12).Draw(t, "fields") {
				name := rapid.SampledFrom(names).Draw(t, "name")
				value := rapid.SampledFrom([]string{"", "1", "\xff\x01", strings.Repeat("v", 300), "Sun, 29 Nov 2026"}).Draw(t, "value")
				value += rapid.StringN(0, 2, 2).Draw(t, "more")
				b = e.field(b, []byte(name), []byte(value))
				want += strings.ToLower(name) + "=" + value + "\n"
			}
			got := ""
			fields, err := d.DecodeFull(b)
			if err != nil {
				t.Fatal(err)
			}
			for _, f := range fields {
				if f.Sensitive != (f.Name == "set-cookie") {
					t.Fatalf("%s is sensitive: %v", f.Name, f.Sensitive)
				}
				got += f.Name + "=" + f.Value + "\n"
			}
			if got != want {
				t.Fatalf("got %q, want %q", got, want)
			}
		}
	})
}

func TestRepeatedFieldsCostAByte(t *testing.T) {
	e := &encoder{}
	e.init()
	for i := range 5 {
		b := e.status(e.begin(nil), 200)
		for _, f := range helloFields {
			b = e.field(b, f[0], f[1])
		}
		if want := 5; i > 1 && len(b) != want {
			t.Errorf("block %d has %d bytes, want %d", i, len(b), want)
		}
	}
	unique := testing.AllocsPerRun(100, func() { e.field(e.text[len(e.text):], helloFields[0][0], helloFields[0][1]) })
	if unique != 0 {
		t.Errorf("a field costs %v allocations", unique)
	}
}
