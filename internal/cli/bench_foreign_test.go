//go:build !windows

package cli

import (
	"bytes"
	"strings"
	"testing"
)

// Flags of ab, wrk, hey, oha and vegeta that are none here, or mean something else, say what has their place; nothing is asked.
func TestFlagsOfOtherTools(t *testing.T) {
	for line, want := range map[string]string{
		"-u file http://h/":                  "--method PUT --body-file FILE",
		"-e f.csv http://h/":                 "did you mean --csv FILE",
		"-g f.tsv http://h/":                 "did you mean --csv FILE",
		"-host x http://h/":                  "did you mean --header 'Host: NAME'",
		"-t4 -c10 -d1s http://h/":            "what wrk has -t for is --cpus",
		"-z 1s http://h/":                    "did you mean -d TIME",
		"-q 10 http://h/":                    "what hey and oha have -q and bombardier has -r for is --rate",
		"--latency http://h/":                "--latency is not needed: latencies are always reported",
		"-x http://p:1 http://h/":            "-x asks for a proxy, and there is none",
		"-rate=10 http://h/":                 "did you mean --rate?",
		"-R 100 http://h/":                   "did you mean --rate R",
		"-s script.lua http://h/":            "what wrk has -s for is --scenario or --urls",
		"-d {} http://h/":                    "what hey and oha have -d for is --body",
		"--disable-keepalive http://h/":      "did you mean --no-keepalive?",
		"-targets=x http://h/":               "did you mean --urls FILE?",
		"-n 9 -m 10 http://h/":               "what h2load has -m for is --http2 --streams N",
		"-n 9 -p 10 http://h/":               "what oha has -p for is --http2 --streams N",
		"-X POST http://h/":                  "did you mean --method METHOD, for curl's -X",
		"-A text/html http://h/":             "what hey has -A for is --header",
		"-root-certs=c.pem http://h/":        "did you mean --cacert FILE?",
		"--stage 30s:10 http://h/":           "did you mean --stages 10@30s",
		"-r 3 http://h/":                     "bombardier has -r for is --rate",
		"--burst-delay 1s http://h/":         "--burst-delay has no counterpart: requests come evenly",
		"-B 127.0.0.2 http://h/":             "-B has no counterpart: the system chooses",
		"-more http://h/":                    "-more is not needed",
		"-connect-timeout 3s http://h/":      "did you mean --timeout TIME",
		"-laddr 127.0.0.1 http://h/":         "-laddr has no counterpart",
		"--body @bench_test.go http://h/":    "did you mean --body-file bench_test.go?",
		"-M POST http://h/":                  "-M: did you mean --method METHOD?",
		"--json-path f http://h/":            "did you mean --json FILE?",
		"--tls-cert c.pem http://h/":         "did you mean --cert FILE?",
		"--summary http://h/":                "--summary is not needed",
		"--connect-to unix:/run/s http://h/": "did you mean --unix /run/s?",
		"unix:/run/s":                        "the URL of a Unix socket is http+unix://%2Frun%2Fs/",
		"--no-color http://h/":               "--no-color is not needed",
	} {
		var out, err bytes.Buffer
		status := Run(append([]string{"bench"}, strings.Fields(line)...), strings.NewReader(""), &out, &err)
		if status != benchUsage || !strings.Contains(err.String(), want) || strings.Contains(err.String(), "did you mean nothing") {
			t.Errorf("girin bench %s: status %d, %q, want %q", line, status, err.String(), want)
		}
	}
}
