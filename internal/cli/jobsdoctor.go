//go:build !windows

package cli

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"girin/internal/jobs"
)

// doctor prints what a server finds when it looks at all that its jobs need; an error: not
// all of it works.
func (a asker) doctor(asJSON bool) error {
	res, err := a.ask(http.MethodGet, "/doctor")
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return refused(res)
	}
	var all struct{ Findings []jobs.Finding }
	if err := json.NewDecoder(res.Body).Decode(&all); err != nil {
		return err
	}
	if asJSON {
		err = indented(a.env.Stdout, all.Findings)
	} else {
		_, err = fmt.Fprint(a.env.Stdout, formatFindings(all.Findings))
	}
	if err != nil {
		return err
	}
	for _, f := range all.Findings {
		if f.Level == jobs.FoundBad {
			return errors.New("not all is well")
		}
	}
	return nil
}

func formatFindings(all []jobs.Finding) string {
	var b strings.Builder
	for _, f := range all {
		fmt.Fprintf(&b, "%-5s %s\n", f.Level, harmless(f.What))
		if f.Do != "" {
			fmt.Fprintf(&b, "      -> %s\n", harmless(f.Do))
		}
	}
	return b.String()
}
