package manual

import (
	"fmt"
	"io"
	"strings"
	"time"

	"girin/internal/config"
)

// Edition is what the manual page says of the program.
type Edition struct {
	Version string
	Date    time.Time // of its source
}

// Page writes girin(1) in the macros of man(7).
func Page(w io.Writer, e Edition, commands []Command) error {
	var b strings.Builder
	fmt.Fprintf(&b, ".TH GIRIN 1 %s %s\n", quotedRoff(e.Date.UTC().Format("2006-01-02")), quotedRoff("girin "+e.Version))
	b.WriteString(`.SH NAME
girin \- application server for Python web applications
.SH SYNOPSIS
.B girin
.RI [ OPTIONS ]
.I MODULE:APPLICATION
.br
.B girin
.I COMMAND
.RI [ OPTIONS ]
.SH DESCRIPTION
Girin serves a WSGI application, such as one of Flask or Django, so that one slow request never holds up another.
Its command line,
.I gunicorn.conf.py
and signals are those of
.BR gunicorn (1).
Without
.BR \-w ,
.B \-\-threads
and
.B \-k
it finds out by itself what each route needs.
.SH COMMANDS
`)
	for _, c := range commands {
		fmt.Fprintf(&b, ".TP\n.B girin %s\n%s\n", roff(c.Name), roff(c.Summary))
	}
	b.WriteString(".SH OPTIONS OF SERVE\n")
	settings(&b)
	for _, c := range commands {
		if c.Name != "serve" && c.Help != "" {
			fmt.Fprintf(&b, ".SH %s\n.nf\n%s\n.fi\n", quotedRoff(strings.ToUpper("girin "+c.Name)), roff(strings.TrimSpace(c.Help)))
		}
	}
	b.WriteString(ending)
	_, err := io.WriteString(w, b.String())
	return err
}

// settings are the table's rows that have a flag and an effect, by section.
func settings(b *strings.Builder) {
	title := ""
	for _, o := range config.Options() {
		if o.Flag == "" || o.Status != config.Built {
			continue
		}
		if o.Section != title {
			title = o.Section
			fmt.Fprintf(b, ".SS %s\n", quotedRoff(title))
		}
		b.WriteString(".TP\n")
		if o.Short != "" {
			fmt.Fprintf(b, ".BR \\-%s \", \" ", roff(o.Short))
		} else {
			b.WriteString(".BR ")
		}
		fmt.Fprintf(b, "\\-\\-%s", roff(o.Flag))
		if o.Kind.TakesValue() {
			fmt.Fprintf(b, " \" \\fI%s\\fR\"", roff(o.Meta))
		}
		fmt.Fprintf(b, "\n%s\n", roff(o.Doc))
		if o.Env != "" {
			fmt.Fprintf(b, "Environment: \\fB$%s\\fR.\n", roff(o.Env))
		}
	}
}

const ending = `.SH ENVIRONMENT
.TP
.B GUNICORN_CMD_ARGS
Options that are read before those of the command line.
.TP
.BR WEB_CONCURRENCY , " PORT"
See the options above. Platforms set them.
.TP
.B VIRTUAL_ENV
The environment whose Python runs the application, if girin is not installed in one itself.
.TP
.B GIRIN_RUNTIME_DIR
Where the sockets are that
.B girin ctl
and
.B girin top
ask.
.SH FILES
.TP
.I ./gunicorn.conf.py
The configuration file, if it exists: Python source whose variables are named like the settings.
.SH SIGNALS
.TP
.B TERM
Finish the requests that run, then end.
.TP
.BR INT , " QUIT"
End now.
.TP
.B HUP
Load configuration and application anew; the old version serves until the new one does.
.TP
.B USR1
Open the log files again.
.TP
.BR TTIN , " TTOU"
A worker more, or one fewer.
.SH EXIT STATUS
0 after an orderly end, 1 if the server could not start, 2 for a wrong command line, 3 or 4 if no worker could load the application.
`

// roff escapes a text: what begins a line with a dot or an apostrophe would be a request.
func roff(text string) string {
	text = strings.NewReplacer(`\`, `\e`, "-", `\-`).Replace(text)
	lines := strings.Split(text, "\n")
	for i, line := range lines {
		if strings.HasPrefix(line, ".") || strings.HasPrefix(line, "'") {
			lines[i] = `\&` + line
		}
	}
	return strings.Join(lines, "\n")
}

func quotedRoff(text string) string { return `"` + strings.ReplaceAll(roff(text), `"`, `""`) + `"` }
