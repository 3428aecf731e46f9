package main

import (
	"io"
	"net"
	"strings"
	"testing"
	"testing/synctest"
)

// What the server says it has taken is what its waits took, each once.
func TestTaken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &server{}
		ask := func(path string) string {
			client, end := net.Pipe()
			go s.serve(end)
			_, _ = io.WriteString(client, "GET "+path+" HTTP/1.0\r\n\r\n")
			answer, err := io.ReadAll(client)
			if err != nil {
				t.Fatal(err)
			}
			_, body, _ := strings.Cut(string(answer), "\r\n\r\n")
			return body
		}
		for range 16 { // two of 100 ms
			ask("/bimodal")
		}
		ask("/")
		if got, want := ask("/taken"), "count 16\np50 10.000\np90 100.000\np95 100.000\np99 100.000\np100 100.000\n"; got != want {
			t.Errorf("got %q, want %q", got, want)
		}
		if got := ask("/taken"); got != "count 0\n" {
			t.Errorf("again: %q", got)
		}
		ask("/fixed")
		if got := ask("/taken"); !strings.HasPrefix(got, "count 1\np50 20.000\n") {
			t.Errorf("fixed: %q", got)
		}
	})
}
