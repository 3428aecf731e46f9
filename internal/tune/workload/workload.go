// Package workload says what a load is made of: requests and their shares, read from a file of URLs,
// an access log, a HAR file, a running girin, or the routes that an application itself has. It asks
// no server but a control socket, and measures nothing.
package workload

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"girin/internal/bench"
	"girin/internal/sched"
)

// Request is one kind of request.
type Request struct {
	Method string        `json:"method"`
	Path   string        `json:"path"` // with its query
	Header []bench.Field `json:"-"`    // may hold secrets, and is in no report
	Body   []byte        `json:"-"`
	Share  float64       `json:"share"` // of all requests, 0 to 1
	// Redirects says that an answer that leads elsewhere is part of the load: somebody asks for it, or the log has it.
	Redirects bool `json:"-"`
}

// Name is what people call it.
func (r Request) Name() string { return r.Method + " " + r.Path }

// Route is the name of its route, as girin ctl shows it.
func (r Request) Route() string {
	path, _, _ := strings.Cut(r.Path, "?")
	return r.Method + " " + sched.Pattern(path)
}

// Left is what was left out, and why.
type Left struct {
	What string `json:"what"`
	Why  string `json:"why"`
}

// Workload is what a server is asked.
type Workload struct {
	Source   string    `json:"source"` // where it comes from, for people
	Requests []Request `json:"requests"`
	Left     []Left    `json:"left,omitempty"`
	Log      *Log      `json:"log,omitempty"`
}

// Log is what an access log says beside the shares.
type Log struct {
	Lines  int64       `json:"lines"`  // that were understood
	Others int64       `json:"others"` // that were not
	Hours  [24]int64   `json:"hours"`  // requests by the hour of the day
	Rates  [24]float64 `json:"rates"`  // mean requests per second in each hour of the day
	Peak   float64     `json:"peak"`   // requests per second in the busiest minute
}

// Bounds of a workload.
const (
	mostRequests = 50
	perRoute     = 5 // of them for one route
)

// ErrEmpty is the error of a source without a request that may be made.
var ErrEmpty = errors.New("there is no request in it that may be made")

// Targets are the requests at a server.
func (w *Workload) Targets(base string) []bench.Target {
	most := 0.0
	for _, r := range w.Requests {
		most = max(most, r.Share)
	}
	var all []bench.Target
	for _, r := range w.Requests {
		all = append(all, bench.Target{
			Method: r.Method, URL: base + r.Path, Header: r.Header, Body: r.Body, Weight: max(1, int(r.Share/most*100+0.5)),
		})
	}
	return all
}

// complete turns counts into shares, and leaves out what may change data unless all methods are wanted.
func (w *Workload) complete(allMethods bool) error {
	changing := map[string]bool{}
	w.Requests = slices.DeleteFunc(w.Requests, func(r Request) bool {
		if !allMethods && r.Method != "GET" && r.Method != "HEAD" {
			if name := r.Route(); !changing[name] {
				changing[name] = true
				w.Left = append(w.Left, Left{name, "it may change data; --all-methods asks it too"})
			}
			return true
		}
		return false
	})
	if len(w.Requests) == 0 {
		return fmt.Errorf("%s: %w%s", w.Source, ErrEmpty, w.leftOut())
	}
	slices.SortStableFunc(w.Requests, func(a, b Request) int { return cmp.Compare(b.Share, a.Share) })
	if rest := w.Requests[min(mostRequests, len(w.Requests)):]; len(rest) > 0 {
		w.Left = append(w.Left, Left{fmt.Sprintf("%d rarer requests", len(rest)), "the most frequent are enough"})
		w.Requests = w.Requests[:mostRequests]
	}
	w.normalize()
	return nil
}

// risky are last words of paths that do things although they are asked with GET.
var risky = []string{"logout", "signout", "sign-out", "log-out", "delete", "remove", "reset", "unsubscribe", "shutdown", "restart", "clear", "purge"}

// isRisky reports whether a path, by its name, may change something when it is only read.
func isRisky(path string) bool {
	path, _, _ = strings.Cut(path, "?")
	last := strings.ToLower(filepath.Base(strings.TrimSuffix(path, "/")))
	return slices.ContainsFunc(risky, func(word string) bool { return strings.HasSuffix(last, word) })
}

const whyRisky = "by its name it may change something; --urls FILE can ask for it"

// leaveRisky leaves out what was seen to be asked for once, and may do harm when it is asked for thousands of times.
func (w *Workload) leaveRisky() {
	w.Requests = slices.DeleteFunc(w.Requests, func(r Request) bool {
		if !isRisky(r.Path) {
			return false
		}
		w.Left = append(w.Left, Left{r.Name(), whyRisky})
		return true
	})
}

// normalize makes the shares sum up to 1.
func (w *Workload) normalize() {
	sum := 0.0
	for _, r := range w.Requests {
		sum += r.Share
	}
	for i := range w.Requests {
		w.Requests[i].Share /= sum
	}
}

// leftOut lists what was left out, for an error.
func (w *Workload) leftOut() string {
	text := ""
	for i, l := range w.Left {
		if i == 5 {
			return text + fmt.Sprintf("\n  and %d more", len(w.Left)-i)
		}
		text += "\n  " + l.What + ": " + l.Why
	}
	return text
}

// Drop takes the requests out that could not be made: why has a reason for each of them.
func (w *Workload) Drop(why []string) error {
	var kept []Request
	var failed []Left
	for i, r := range w.Requests {
		if why[i] == "" {
			kept = append(kept, r)
			continue
		}
		failed = append(failed, Left{r.Name(), why[i]})
	}
	w.Requests, w.Left = kept, append(failed, w.Left...) // these say more than those that nobody asked for
	if len(w.Requests) == 0 {
		return fmt.Errorf("%s: no request of it succeeds:%s", w.Source, w.leftOut())
	}
	w.normalize()
	return nil
}

// URLs says how a file of URLs is read.
type URLs struct {
	Stdin      io.Reader     // what "-" is
	Header     []bench.Field // of all requests; a line's own takes its place
	AllMethods bool
}

// FromURLs reads a file of URLs, in the form of girin bench --urls; whose server they name does not
// matter. A body is a reason for a method to be POST.
func FromURLs(path string, u URLs) (*Workload, error) {
	w := &Workload{Source: path}
	in, dir := u.Stdin, "."
	if path == "-" {
		w.Source = "standard input"
	} else {
		file, err := os.Open(path)
		if err != nil {
			return nil, err
		}
		defer file.Close()
		in, dir = file, filepath.Dir(path)
	}
	targets, _, err := bench.ReadTargets(in, dir, bench.Target{Header: u.Header})
	if err != nil {
		return nil, fmt.Errorf("%s: %w", w.Source, err)
	}
	for _, t := range targets {
		p, err := pathOf(t.URL)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", w.Source, err)
		}
		r := Request{Method: strings.ToUpper(t.Method), Path: p, Header: t.Header, Body: t.Body, Share: float64(max(t.Weight, 1)), Redirects: true}
		if r.Method == "" {
			r.Method = "GET"
			if len(r.Body) > 0 {
				r.Method = "POST"
			}
		}
		w.Requests = append(w.Requests, r)
	}
	return w, w.complete(u.AllMethods)
}

// Carry has each request send these fields, in place of its own of the same name.
func (w *Workload) Carry(header []bench.Field) {
	for i := range w.Requests {
		own := slices.DeleteFunc(slices.Clone(w.Requests[i].Header), func(f bench.Field) bool {
			return slices.ContainsFunc(header, func(h bench.Field) bool { return strings.EqualFold(h.Name, f.Name) })
		})
		w.Requests[i].Header = append(own, header...)
	}
}

// pathOf is the part of a URL that the application sees.
func pathOf(text string) (string, error) {
	u, err := url.Parse(text)
	if err != nil {
		return "", err
	}
	return u.RequestURI(), nil
}
