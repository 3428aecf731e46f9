package tune

import (
	"fmt"
	"strings"
)

// keptOut are settings of the user's file that a server under test must not have: it would listen
// elsewhere or to other than plain HTTP, leave the terminal, write over files of the server that is
// deployed, run its sidecars a second time, reload, or end late.
var keptOut = []string{
	"bind", "daemon", "pidfile", "user", "group", "certfile", "keyfile", "ca_certs", "reload", "wsgi_app", "errorlog",
	"statsd_host", "syslog", "syslog_addr", "metrics", "chdir", "python", "no_bind", "protocol", "proxy_protocol", "sidecar",
	"shutdown_delay", "tasks", "jobs_page", "jobs_page_host",
}

// keptOutPrefix begins the names of settings that would send a test's requests to the machines that are deployed, and
// take their jobs.
const keptOutPrefix = "offload"

// tunedKeys are what the search decides.
var tunedKeys = []string{"workers", "worker_class", "threads", "preload_app"}

// readyPath is where a server under test says itself that a worker is ready: what the application has at / may hang.
const readyPath = "/-/girin-tune-ready"

// wrapped is a configuration file that runs the user's and then drops what is not to hold: always
// what a test must not do, and what the search decides unless the file itself is to be judged.
func wrapped(file string, judged bool) string {
	ready := fmt.Sprintf("health_check_path = %s\n", pythonString(readyPath))
	if file == "" {
		return ready
	}
	dropped := keptOut
	if !judged {
		dropped = append(append([]string{}, dropped...), tunedKeys...)
	}
	return fmt.Sprintf(`__file__ = %[1]s
with open(__file__, "rb") as _source:
    exec(compile(_source.read(), __file__, "exec"))
for _name in %[2]s + tuple(_name for _name in globals() if _name.startswith(%[3]s)):
    globals().pop(_name, None)
if globals().get("accesslog"):  # it costs what it costs, and lines of a test belong in no log
    accesslog = "/dev/null"
`, pythonString(file), pythonTuple(dropped), pythonString(keptOutPrefix)) + ready
}

// FileBegins is how each File begins.
const FileBegins = "# Written by girin tune "

// File is a gunicorn.conf.py that gunicorn and girin both read, with the settings found best.
func (a *Answer) File(r *Result) string {
	var b strings.Builder
	comment(&b, fmt.Sprintf(FileBegins[2:]+"on %s for %s, on %d cores.", r.Started.Format("2006-01-02"), r.App, r.Cores))
	comment(&b, a.Sentence)
	for _, line := range r.Remarks() {
		comment(&b, line)
	}
	comment(&b, fmt.Sprintf("The load: %s.", r.Workload.Source))
	if r.Config != "" {
		comment(&b, fmt.Sprintf("All other settings were those of %s: they belong below.", r.Config))
	}
	b.WriteByte('\n')
	if s := a.Best.Setting; s.Class == auto {
		a.autoFile(&b, r)
	} else {
		settingLines(&b, s, a.reasons(a.Best), "")
	}
	return b.String()
}

// autoFile leaves girin its class auto, and gives gunicorn, which has none, the best of the others.
func (a *Answer) autoFile(b *strings.Builder, r *Result) {
	b.WriteString("# girin needs no numbers: without workers, threads and worker_class its class auto runs.\n")
	if a.Best.Setting.Preload {
		b.WriteString("preload_app = True  # the workers share the import's memory\n")
	}
	fixed := r.bestFixed()
	if fixed == nil {
		return
	}
	b.WriteString("import sys\n\nif \"gunicorn.arbiter\" in sys.modules:  # gunicorn has no such class: the best of the other settings under girin\n")
	settingLines(b, fixed.Setting, a.reasons(fixed), "    ")
}

// reasons say where a setting's numbers come from.
func (a *Answer) reasons(c *Candidate) string {
	return fmt.Sprintf("held %s requests/s%s", figure(c.Rate()), spread(c.Rates))
}

func settingLines(b *strings.Builder, s Setting, reason, indent string) {
	class := s.Class
	if class == "sync" && s.Threads > 1 {
		class = gthread
	}
	fmt.Fprintf(b, "%sworker_class = %s\n", indent, pythonString(class))
	fmt.Fprintf(b, "%sworkers = %d  # measured: %s, %s\n", indent, s.Workers, s.why(), reason)
	if s.Class == gthread {
		fmt.Fprintf(b, "%sthreads = %d  # measured together with workers\n", indent, s.Threads)
	}
	if s.Preload {
		fmt.Fprintf(b, "%spreload_app = True  # the workers share the import's memory\n", indent)
	}
}

// spread is what its runs differed by.
func spread(rates []float64) string {
	if len(rates) < 2 {
		return " in one run"
	}
	low, high := rates[0], rates[0]
	for _, r := range rates {
		low, high = min(low, r), max(high, r)
	}
	return fmt.Sprintf(" (%d runs: %s to %s)", len(rates), figure(low), figure(high))
}

const commentWidth = 98

// comment writes text as lines of a comment.
func comment(b *strings.Builder, text string) {
	line := "#"
	for _, word := range strings.Fields(oneLine(text)) {
		if len(line)+1+len(word) > commentWidth && line != "#" {
			b.WriteString(line + "\n")
			line = "#  "
		}
		line += " " + word
	}
	b.WriteString(line + "\n")
}

// oneLine keeps text within a comment.
func oneLine(s string) string {
	return strings.Join(strings.FieldsFunc(s, func(r rune) bool { return r < ' ' || r == 0x7f || r == 0x2028 || r == 0x2029 || r == 0x85 }), " ")
}

// pythonString is a literal of Python.
func pythonString(s string) string {
	var b strings.Builder
	b.WriteByte('"')
	for _, r := range s {
		switch {
		case r == '"' || r == '\\':
			b.WriteRune('\\')
			b.WriteRune(r)
		case r < ' ' || r == 0x7f:
			fmt.Fprintf(&b, `\x%02x`, r)
		default:
			b.WriteRune(r)
		}
	}
	b.WriteByte('"')
	return b.String()
}

func pythonTuple(list []string) string {
	var quoted []string
	for _, s := range list {
		quoted = append(quoted, pythonString(s))
	}
	return "(" + strings.Join(quoted, ", ") + ",)"
}
