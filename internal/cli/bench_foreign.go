package cli

import (
	"fmt"
	"strings"

	"github.com/spf13/pflag"
)

// foreignFlags are flags that people know from ab, wrk, wrk2, hey, oha, vegeta and others, and what has their place here:
// flags, or the reason why there is none.
var foreignFlags = map[string]string{
	"-e": "--csv FILE (a line per request) or --hdr FILE (percentiles), for ab's -e",
	"-g": "--csv FILE, for ab's -g",
	"-w": "--html FILE, for ab's -w (what oha has -w for is done anyway)",
	"-X": "--method METHOD, for curl's -X (ab's is a proxy, and there is none)", "-E": "--cert FILE, for ab's -E", "-P": "no proxy: bench speaks to the server itself",
	"-z": "-d TIME, for hey's and oha's -z", "-a": "--user USER:PASSWORD, for hey's and oha's -a",
	"-D": "--body-file FILE, for hey's and oha's -D", "-o": "--json FILE, --csv FILE or --html FILE",
	"-U": "--header 'User-Agent: ...', for hey's -U", "-R": "--rate R, for wrk2's -R", "-L": "nothing: latencies are always reported (what curl has -L for is --follow)",
	"-b": "nothing: buffers are the system's (what bombardier has -b for is --body)", "-x": "no proxy: bench speaks to the server itself", "-v": "--csv FILE, which has each request",
	"-B": "none: the system chooses the local address", "-y": "no proxy: bench speaks to the server itself", "-Z": "none: TLS's ciphers are Go's",
	"-f": "nothing: the version of TLS is negotiated", "-F": "--body-file FILE --content-type TYPE, with the form as it is sent",
	"-I": "--head, for curl's -I", "-j": "--json, for oha's -j",
	"-M": "--method METHOD", "-V": "girin --version", "-S": "nothing: mean and median are both reported",

	"--latency": "nothing: latencies are always reported", "--threads": "--cpus N", "--connections": "--clients N",
	"--script": "--urls FILE", "--no-tui": "--quiet", "--output": "--json FILE, --csv FILE or --html FILE",
	"--output-format": "--json or --csv", "--disable-keepalive": "--no-keepalive", "--disable-compression": "nothing: none is asked for",
	"--disable-redirects": "nothing: redirects are followed only with --follow", "--redirects": "--follow", "--qps": "--rate R",
	"--query-per-second": "--rate R", "--basic-auth": "--user USER:PASSWORD", "--unix-socket": "--unix PATH",
	"--urls-from-file": "--urls FILE", "--targets": "--urls FILE", "--workers": "--clients N", "--max-workers": "--clients N",
	"--http-version": "--http2 (HTTP/1.1 is the default)", "--h2": "--http2", "--h2c": "--http2 with an http URL", "--host": "--header 'Host: NAME'",
	"--name": "--json FILE", "--lazy": "nothing: targets are read before the run", "--accept": "--header 'Accept: ...'",
	"--concurrency": "--clients N", "--time": "--duration TIME", "--reps": "--requests N", "--data": "--body TEXT",
	"--stage": "--stages 10@30s,10:50@1m", "--rps": "--rate R", "--root-certs": "--cacert FILE", "--max-connections": "--clients N",
	"--rand-regex-url": "--random, with placeholders in the URL", "--redirect": "--follow", "--proxy": "no proxy: bench speaks to the server itself",
	"--no-color": "nothing: there are no colours", "--disable-color": "nothing: there are no colours", "--max-concurrent-streams": "--http2 --streams N", "--summary-export": "--json FILE",
	"--insecure-skip-tls-verify": "--insecure", "--data-binary": "--body-file FILE", "--request": "--method METHOD",
	"--user-agent": "--header 'User-Agent: ...'", "--max-time": "--timeout TIME", "--compressed": "nothing: no compression is asked for",
	"--wait-ongoing-requests-after-deadline": "nothing: what is in flight when the time is up is waited for",
	"--latency-correction":                   "--rate R, whose latencies count from when requests were due", "--vus": "--clients N", "--iterations": "--requests N",
	"--connect-timeout": "--timeout TIME, which includes connecting", "--max-repeat": "--random, with placeholders in the URL",
	"--burst-delay": noBursts, "--burst-rate": noBursts, "--burst-requests": noBursts, "--dump-urls": "--csv FILE and --seed",
	"--fps": "--live", "--time-unit": "nothing: each value has its unit", "--stats-success-breakdown": "nothing: failures are in no latency",
	"--db-url": "--csv FILE or --json FILE", "--debug": "--csv FILE, which has each request", "--no-pre-lookup": "nothing: names are looked up once",
	"--proxy-header": "no proxy: bench speaks to the server itself", "--form": "--body-file FILE --content-type TYPE, with the form as it is sent",
	"--aws-session": noSignatures, "--aws-sigv4": noSignatures, "--vsock-addr": "none: there is TCP, and --unix PATH",
	"--more": "nothing: all is reported", "--print": "--quiet", "--latencies": "nothing: latencies are always reported",
	"--fasthttp": "nothing: there is one client", "--http1": "nothing: HTTP/1.1 is the default", "--u_latency": "nothing: --rate counts from when requests were due",
	"--chunked": "none: bodies are sent with their length", "--dns-ttl": "nothing: names are looked up once", "--resolvers": "none: names are looked up as the system says",
	"--laddr": "none: the system chooses the local address", "--max-body": "nothing: bodies are read whole, and not kept",
	"--session-tickets": "nothing: connections are kept", "--prometheus-addr": "--live or --json FILE", "--format": "--urls FILE, in the form of vegeta's http targets",
	"--amount": "--requests N", "--pipelining": "--http2 --streams N (over HTTP/1.1 a connection has one request at a time)",
	"--users": "--clients N", "--spawn-rate": "--stages 10@30s,10:50@1m", "--run-time": "--duration TIME", "--headless": "nothing: there is no window",
	"--file": "--urls FILE", "--benchmark": "nothing: clients do not wait between requests", "--out": "--json FILE, --csv FILE or --html FILE",
	"--input-file": "--urls FILE", "--warm-up-time": "--warmup TIME", "--alpn-list": "--http2", "--location": "--follow",
	"--summary": "nothing: a summary is printed anyway", "--json-path": "--json FILE", "--tls-cert": "--cert FILE", "--tls-key": "--key FILE",
}

const (
	noBursts     = "none: requests come evenly or, with --arrivals poisson, as visitors do"
	noSignatures = "none: requests are sent as they are"
)

// didYouMean words what has the place of a foreign flag.
func didYouMean(name, instead string) string {
	if why, ok := strings.CutPrefix(instead, "nothing: "); ok {
		return fmt.Sprintf("%s is not needed: %s", name, why)
	}
	if why, ok := strings.CutPrefix(instead, "no proxy: "); ok {
		return fmt.Sprintf("%s asks for a proxy, and there is none: %s", name, why)
	}
	if why, ok := strings.CutPrefix(instead, "none: "); ok {
		return fmt.Sprintf("%s has no counterpart: %s", name, why)
	}
	return fmt.Sprintf("%s: did you mean %s?", name, instead)
}

// otherMeanings are what flags that exist here mean elsewhere, by how pflag names them when their value is none of ours.
var otherMeanings = map[string]string{
	"-d, --duration": "what hey and oha have -d for is --body", "-s, --timeout": "what wrk has -s for is --scenario or --urls",
	"-t, --timelimit": "what hey has -t for is --timeout",
}

// otherMeaning is a hint for a value that a flag does not take.
func otherMeaning(err error) string {
	for flag, meaning := range otherMeanings {
		if strings.Contains(err.Error(), `for "`+flag+`" flag`) {
			return meaning
		}
	}
	return ""
}

// foreignHint says what has the place of a flag of another tool; empty if nothing is known.
func foreignHint(args []string, fs *pflag.FlagSet) string {
	for _, arg := range args {
		if arg == "--" || !strings.HasPrefix(arg, "-") || arg == "-" {
			continue
		}
		name, _, _ := strings.Cut(arg, "=")
		bare := strings.TrimLeft(name, "-")
		known := fs.Lookup(bare) != nil
		long := len(bare) > 1
		switch {
		case long && !strings.HasPrefix(name, "--") && known: // Go's flags have one dash
			return fmt.Sprintf("%s: did you mean --%s?", name, bare)
		case long && !known:
			if hint := foreignFlags["--"+bare]; hint != "" {
				return didYouMean(name, hint)
			}
		}
		if short := name[:min(2, len(name))]; short != "--" && fs.ShorthandLookup(short[1:]) == nil {
			if hint := foreignFlags[short]; hint != "" {
				return didYouMean(short, hint)
			}
		}
	}
	return ""
}

// singleDash finds a long name behind one dash, which pflag would read as letters: "-host" as -h, help.
func singleDash(args []string, fs *pflag.FlagSet) string {
	for _, arg := range args {
		name, _, _ := strings.Cut(arg, "=")
		bare, ok := strings.CutPrefix(name, "-")
		if arg == "--" {
			return ""
		}
		if !ok || len(bare) < 2 || bare[0] == '-' {
			continue
		}
		if fs.Lookup(bare) != nil || foreignFlags["--"+bare] != "" {
			return foreignHint([]string{arg}, fs)
		}
	}
	return ""
}
