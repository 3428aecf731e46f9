//go:build !windows

package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/pflag"

	"girin/internal/control"
	"girin/internal/jobs"
	"girin/internal/program"
)

const jobsUsage = `Shows the accepted jobs of a running server, and what can be done with one.

usage: girin jobs [list]           all that are known, the latest first
       girin jobs dead             those that have ended badly, with the last lines that they have said
       girin jobs show ID          all that is known of one
       girin jobs -f               each change of any job, as it comes
       girin jobs doctor           looks at all that jobs need, and says what to do
       girin jobs result ID        what the application has answered
       girin jobs cancel ID        it is not begun, or hears of it
       girin jobs retry ID         one that has ended badly waits again
       girin jobs purge ID|dead    nothing is known of it any more

`

// jobActions say how a server is asked to do something with one job.
var jobActions = map[string]struct{ method, after, did string }{
	"cancel": {http.MethodDelete, "", "is cancelled"},
	"retry":  {http.MethodPost, "/retry", "waits again"},
	"purge":  {http.MethodPost, "/purge", "is forgotten"},
}

// badEnds are the ends for which somebody may want to do something.
const badEnds = "failed,lost,dead"

// asker asks one server.
type asker struct {
	env  *program.Env
	path string
}

// runJobs is the jobs command.
func runJobs(env *program.Env, args []string) int {
	f := newCtlFlags("girin jobs")
	asJSON := f.set.Bool("json", false, "print it as JSON")
	follow := f.set.BoolP("follow", "f", false, "print each change as it comes, until it is interrupted")
	err := inWords(f.set.Parse(args))
	if errors.Is(err, pflag.ErrHelp) {
		io.WriteString(env.Stdout, jobsUsage+f.set.FlagUsages())
		return 0
	}
	words := f.set.Args()
	switch {
	case *follow && len(words) == 0:
		words = []string{"follow"}
	case *follow && err == nil:
		err = fmt.Errorf("unexpected argument %q: -f is about all jobs", words[0])
	case len(words) == 0:
		words = []string{"list"}
	}
	if err == nil {
		err = checkJobWords(words)
	}
	if err != nil {
		fmt.Fprintf(env.Stderr, "girin jobs: %v\n", err)
		return program.Usage
	}
	a := asker{env: env}
	if a.path, err = f.path(env); err == nil {
		err = a.do(words, *asJSON)
	}
	if err != nil {
		fmt.Fprintf(env.Stderr, "girin jobs: %v\n", err)
		return program.Failed
	}
	return 0
}

func checkJobWords(words []string) error {
	wanted := 2
	switch words[0] {
	case "list", "dead", "doctor", "follow":
		wanted = 1
	case "show", "result", "cancel", "retry", "purge":
	default:
		return fmt.Errorf("there is no %q, only: list, dead, show, result, cancel, retry, purge, doctor", words[0])
	}
	switch {
	case len(words) < wanted:
		return fmt.Errorf("say which job: girin jobs %s ID", words[0])
	case len(words) > wanted:
		return fmt.Errorf("unexpected argument %q", words[wanted])
	}
	return nil
}

func (a asker) do(words []string, asJSON bool) error {
	switch what := words[0]; {
	case what == "list":
		return a.list("", asJSON)
	case what == "dead":
		return a.list("?log=1&status="+badEnds, asJSON)
	case what == "doctor":
		return a.doctor(asJSON)
	case what == "follow":
		return a.follow(asJSON)
	case what == "show":
		return a.show(words[1], asJSON)
	case what == "result":
		return a.copyTo(a.env.Stdout, "/jobs/"+words[1]+"/result")
	case what == "purge" && words[1] == "dead":
		return a.purgeDead()
	default:
		return a.act(what, words[1])
	}
}

// ask returns an answer that is none of refusal.
func (a asker) ask(method, what string) (*http.Response, error) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	res, err := control.Ask(ctx, a.path, method, what)
	if err != nil {
		cancel()
		return nil, err
	}
	res.Body = closing{res.Body, cancel}
	if err := checkJobsThere(res); err != nil {
		res.Body.Close()
		return nil, err
	}
	return res, nil
}

// checkJobsThere is an error for the answer of a server without jobs: only a handler that
// knows no such path says so with this field.
func checkJobsThere(res *http.Response) error {
	if res.StatusCode == http.StatusNotFound && res.Header.Get("X-Content-Type-Options") != "" {
		return errors.New("this server has no jobs: it was started without --offload and --tasks")
	}
	return nil
}

// closing ends a request's context with its body.
type closing struct {
	io.ReadCloser
	end context.CancelFunc
}

func (c closing) Close() error {
	defer c.end()
	return c.ReadCloser.Close()
}

// refused is what a server says that does not do it.
func refused(res *http.Response) error {
	text, _ := io.ReadAll(io.LimitReader(res.Body, 4096))
	return errors.New(harmless(strings.TrimSpace(string(text))))
}

func (a asker) jobs(query string) (list []jobs.Status, err error) {
	res, err := a.ask(http.MethodGet, "/jobs"+query)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return nil, refused(res)
	}
	var all struct{ Jobs []jobs.Status }
	err = json.NewDecoder(res.Body).Decode(&all)
	return all.Jobs, err
}

func (a asker) list(query string, asJSON bool) error {
	all, err := a.jobs(query)
	if err != nil {
		return err
	}
	if asJSON {
		return indented(a.env.Stdout, all)
	}
	io.WriteString(a.env.Stdout, formatJobs(all, time.Now())+formatWords(all))
	return nil
}

func indented(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(v)
}

// formatJobs shows jobs as a table.
func formatJobs(all []jobs.Status, now time.Time) string {
	var b strings.Builder
	t := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "job\tstatus\tage\tran\tattempt\twhere\troute\twhy")
	for _, j := range all {
		ran := "-"
		switch {
		case !j.Began.IsZero() && !j.Ended.IsZero():
			ran = j.Ended.Sub(j.Began).Round(time.Millisecond).String()
		case !j.Began.IsZero() && j.Status == "running":
			ran = now.Sub(j.Began).Round(time.Second).String()
		}
		status := j.Status
		if j.Progress > 0 && j.Status == "running" {
			status += fmt.Sprintf(" %.0f%%", 100*j.Progress)
		}
		why := j.Reason
		if why == "" {
			why = j.Text
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%d\t%s\t%s\t%s\n", j.ID, status, now.Sub(j.Created).Round(time.Second), ran, j.Attempt,
			printable(j.Node), printable(j.Route), printable(why))
	}
	t.Flush()
	return b.String()
}

// formatWords shows what jobs have said, where that is known.
func formatWords(all []jobs.Status) string {
	var b strings.Builder
	for _, j := range all {
		if j.Log == "" {
			continue
		}
		fmt.Fprintf(&b, "\n%s said:\n", j.ID)
		for line := range strings.Lines(j.Log) {
			fmt.Fprintf(&b, "  | %s\n", harmless(strings.TrimRight(line, "\n")))
		}
	}
	return b.String()
}

// show prints all that is known of a job: its status as JSON, and then what it has said as
// lines, unless it is to be JSON alone.
func (a asker) show(id string, asJSON bool) error {
	res, err := a.ask(http.MethodGet, "/jobs/"+id)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return refused(res)
	}
	var j jobs.Status
	if err := json.NewDecoder(res.Body).Decode(&j); err != nil {
		return err
	}
	said := formatWords([]jobs.Status{j})
	if !asJSON {
		j.Log = ""
	}
	if err := indented(a.env.Stdout, j); err != nil || asJSON {
		return err
	}
	_, err = io.WriteString(a.env.Stdout, said)
	return err
}

// copyTo passes a result on.
func (a asker) copyTo(w io.Writer, what string) error {
	res, err := a.ask(http.MethodGet, what)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if res.StatusCode == http.StatusConflict && res.Header.Get("Retry-After") != "" {
		return refused(res)
	}
	_, err = io.Copy(w, res.Body)
	return err
}

func (a asker) act(what, id string) error {
	action := jobActions[what]
	res, err := a.ask(action.method, "/jobs/"+id+action.after)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if res.StatusCode >= http.StatusMultipleChoices {
		return refused(res)
	}
	did := action.did
	if what == "cancel" && res.StatusCode == http.StatusAccepted {
		did = "runs, and is told that it is cancelled"
	}
	fmt.Fprintf(a.env.Stdout, "%s %s\n", id, did)
	return nil
}

func (a asker) purgeDead() error {
	all, err := a.jobs("?status=" + badEnds)
	if err != nil {
		return err
	}
	for _, j := range all {
		if err := a.act("purge", j.ID); err != nil {
			return err
		}
	}
	return nil
}
