//go:build !windows

package cli

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"girin/internal/control"
	"girin/internal/jobs"
)

// follow prints each change of any job until it is interrupted.
func (a asker) follow(asJSON bool) error {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	res, err := control.Ask(ctx, a.path, http.MethodGet, "/jobs/events")
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if err := checkJobsThere(res); err != nil {
		return err
	}
	if res.StatusCode != http.StatusOK {
		return refused(res)
	}
	err = readEvents(res.Body, func(name, data string) error { return tellEvent(a.env.Stdout, name, data, asJSON) })
	if ctx.Err() != nil {
		return nil
	}
	if err == nil {
		err = errors.New("the server has ended")
	}
	return err
}

// readEvents takes server-sent events until there are no more.
func readEvents(r io.Reader, take func(name, data string) error) error {
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, 1<<20)
	name, data := "", ""
	for lines.Scan() {
		key, value, _ := strings.Cut(lines.Text(), ": ")
		switch {
		case lines.Text() == "" && data != "":
			if err := take(name, data); err != nil {
				return err
			}
			name, data = "", ""
		case key == "event":
			name = value
		case key == "data":
			data = value
		}
	}
	return lines.Err()
}

func tellEvent(w io.Writer, name, data string, asJSON bool) (err error) {
	switch {
	case name == "engine":
		var engine struct{ Connected bool }
		if json.Unmarshal([]byte(data), &engine) == nil && !asJSON {
			_, err = fmt.Fprintln(w, map[bool]string{true: "what jobs do from now on:", false: "the engine of the jobs does not answer"}[engine.Connected])
		}
	case name != "state":
	case asJSON:
		_, err = fmt.Fprintln(w, data)
	default:
		var j jobs.Status
		if err := json.Unmarshal([]byte(data), &j); err != nil {
			return err
		}
		_, err = fmt.Fprintln(w, formatChange(j, time.Now()))
	}
	return err
}

// formatChange is a line for a job's new state.
func formatChange(j jobs.Status, now time.Time) string {
	status := j.Status
	if j.Status == "running" && (j.Progress > 0 || j.Text != "") {
		status += fmt.Sprintf(" %.0f%% %s", 100*j.Progress, j.Text)
	}
	if j.Code != 0 {
		status += fmt.Sprintf(" %d", j.Code)
	}
	line := fmt.Sprintf("%s  %s  %s  %s", now.Format("15:04:05"), j.ID, j.Route, status)
	if j.Node != "" {
		line += " on " + j.Node
	}
	if j.Attempt > 1 {
		line += fmt.Sprintf(", attempt %d", j.Attempt)
	}
	if j.Reason != "" {
		line += ": " + j.Reason
	}
	return harmless(line)
}
