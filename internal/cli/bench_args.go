package cli

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/spf13/pflag"
)

// joinOutputs writes "--json FILE" as "--json=FILE". The flags of formats need no value, so pflag would leave the file among
// the URLs.
func joinOutputs(args []string) []string {
	var out []string
	for i := 0; i < len(args); i++ {
		if args[i] == "--" {
			return append(out, args[i:]...)
		}
		isFormat := slices.ContainsFunc(benchFormats[:], func(f benchFormat) bool { return args[i] == "--"+f.name })
		if isFormat && i+1 < len(args) && isFileName(args[i+1]) {
			out = append(out, args[i]+"="+args[i+1])
			i++
			continue
		}
		out = append(out, args[i])
	}
	return out
}

var (
	notAFile     = regexp.MustCompile(`://|^localhost\b|^[^/]*:[0-9]+(/|$)|^[0-9]+=|^[A-Z]+ `)
	fileEnding   = regexp.MustCompile(`(?i)\.(json|csv|hdr|hgrm|html?|txt|log|md|xml)$`)
	relativePath = regexp.MustCompile(`^\.{0,2}/`)
)

// isFileName reports whether an argument after a format's flag names its file and not a URL, which may lack its scheme.
func isFileName(arg string) bool {
	switch {
	case arg == "-" || fileEnding.MatchString(arg) && !notAFile.MatchString(arg):
		return true
	case arg == "" || arg[0] == '-' || notAFile.MatchString(arg):
		return false
	case relativePath.MatchString(arg) || !strings.ContainsAny(arg, "./"):
		return true
	}
	stat, err := os.Stat(filepath.Dir(arg))
	return err == nil && stat.IsDir() && strings.Contains(arg, "/")
}

// foreignFlags are flags that people know from ab, wrk, wrk2, hey, oha and vegeta, and what has their place here.
var foreignFlags = map[string]string{
	"-e": "--csv FILE (a line per request) or --hdr FILE (percentiles), for ab's -e",
	"-g": "--csv FILE, for ab's -g",
	"-w": "--html FILE, for ab's -w",
	"-X": "--method METHOD, for curl's -X (ab's is a proxy, and there is none)", "-E": "--cert FILE, for ab's -E", "-P": "no proxy: bench speaks to the server itself",
	"-z": "-d TIME, for hey's and oha's -z", "-a": "--user USER:PASSWORD, for hey's and oha's -a",
	"-D": "--body-file FILE, for hey's and oha's -D", "-o": "--json FILE, --csv FILE or --html FILE",
	"-U": "--header 'User-Agent: ...', for hey's -U", "-R": "--rate R, for wrk2's -R", "-L": "nothing: latencies are always reported",
	"-b": "nothing: buffers are the system's", "-x": "no proxy: bench speaks to the server itself", "-v": "--csv FILE, which has each request",
	"-V": "girin --version", "-S": "nothing: mean and median are both reported",

	"--latency": "nothing: latencies are always reported", "--threads": "--cpus N", "--connections": "--clients N",
	"--script": "--urls FILE", "--no-tui": "--quiet", "--output": "--json FILE, --csv FILE or --html FILE",
	"--output-format": "--json or --csv", "--disable-keepalive": "--no-keepalive", "--disable-compression": "nothing: none is asked for",
	"--disable-redirects": "nothing: redirects are followed only with --follow", "--redirects": "--follow", "--qps": "--rate R",
	"--query-per-second": "--rate R", "--basic-auth": "--user USER:PASSWORD", "--unix-socket": "--unix PATH",
	"--urls-from-file": "--urls FILE", "--targets": "--urls FILE", "--workers": "--clients N", "--max-workers": "--clients N",
	"--http-version": "--http2", "--h2": "--http2", "--h2c": "--http2 with an http URL", "--host": "--header 'Host: NAME'",
	"--name": "--json FILE", "--lazy": "nothing: targets are read before the run", "--accept": "--header 'Accept: ...'",
	"--concurrency": "--clients N", "--time": "--duration TIME", "--reps": "--requests N", "--data": "--body TEXT",
	"--stage": "--stages 10@30s,10:50@1m", "--rps": "--rate R", "--root-certs": "--cacert FILE", "--max-connections": "--clients N",
	"--rand-regex-url": "--random, with placeholders in the URL", "--redirect": "--follow", "--proxy": "no proxy: bench speaks to the server itself",
	"--no-color": "nothing: there are no colours", "--max-concurrent-streams": "--http2 --streams N", "--summary-export": "--json FILE",
	"--insecure-skip-tls-verify": "--insecure", "--data-binary": "--body-file FILE", "--request": "--method METHOD",
	"--user-agent": "--header 'User-Agent: ...'", "--max-time": "--timeout TIME", "--compressed": "nothing: no compression is asked for",
	"--wait-ongoing-requests-after-deadline": "nothing: what is in flight when the time is up is waited for",
	"--latency-correction":                   "--rate R, whose latencies count from when requests were due", "--vus": "--clients N", "--iterations": "--requests N",
}

// didYouMean words what has the place of a foreign flag.
func didYouMean(name, instead string) string {
	if why, ok := strings.CutPrefix(instead, "nothing: "); ok {
		return fmt.Sprintf("%s is not needed: %s", name, why)
	}
	if why, ok := strings.CutPrefix(instead, "no proxy: "); ok {
		return fmt.Sprintf("%s asks for a proxy, and there is none: %s", name, why)
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
