//go:build !windows

package cli

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"text/tabwriter"
	"time"

	"girin/internal/jobs"
)

// overview asks a server how its jobs are.
func (a asker) overview() (o jobs.Overview, err error) {
	res, err := a.ask(http.MethodGet, "/peers")
	if err != nil {
		return o, err
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return o, refused(res)
	}
	return o, json.NewDecoder(res.Body).Decode(&o)
}

// offloadStatus tells how the jobs are, or only which servers there are.
func (a asker) offloadStatus(peersOnly, asJSON bool) error {
	o, err := a.overview()
	switch {
	case err != nil:
		return err
	case asJSON && peersOnly:
		return indented(a.env.Stdout, o.Peers)
	case asJSON:
		return indented(a.env.Stdout, o)
	}
	text := formatPeers(o)
	if !peersOnly {
		text = formatOverview(o) + "\n" + text
	}
	io.WriteString(a.env.Stdout, text)
	return nil
}

func formatOverview(o jobs.Overview) string {
	engine := "the engine answers"
	if !o.Connected {
		engine = "the engine does not answer: requests run here"
	}
	return fmt.Sprintf("jobs of %s, version %s: %s\nof waiting clients: %d jobs, %d of them without the engine, %d wait, %d ran here as if they were none, %d attempts more\naccepted: %d here, %d in the queue; ended here: %d done, %d badly, %d cancelled\n",
		printable(o.App), printable(o.Version), engine, o.Placed, o.Ways["slot"], o.Waiting, o.Local, o.Again, o.Accepted, o.Queued, o.Done, o.Failed, o.Cancelled)
}

func formatPeers(o jobs.Overview) string {
	var b strings.Builder
	t := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "server\tpid\tversion\tbusy\theard")
	for i, p := range o.Peers {
		heard := p.Heard.Round(100*time.Millisecond).String() + " ago"
		if i == 0 {
			heard = "this one"
		}
		fmt.Fprintf(t, "%s\t%d\t%s\t%d of %d\t%s\n", printable(p.Host), p.PID, printable(p.Version), p.Busy, p.Slots, heard)
	}
	t.Flush()
	return b.String()
}
