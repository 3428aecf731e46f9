package workload

import (
	"encoding/json"
	"fmt"
	"io"
	"net/url"
	"os"
	"slices"
	"strings"

	"girin/internal/bench"
)

// har is what is read of a HAR file (HTTP Archive 1.2), which browsers' developer tools write.
type har struct {
	Log struct {
		Entries []struct {
			Request struct {
				Method, URL string
				Headers     []struct{ Name, Value string }
				PostData    struct{ Text string }
			}
			Response struct{ Status int }
		}
	}
}

// largestHAR is how large a file may be, since it is held in memory: most of one is contents of answers.
const largestHAR = 512 << 20

// FromHAR reads a HAR file: the requests to the site that most of them go to, with their headers.
func FromHAR(path string, allMethods bool) (*Workload, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	text, err := io.ReadAll(io.LimitReader(file, largestHAR+1))
	if err != nil {
		return nil, err
	}
	if len(text) > largestHAR {
		return nil, fmt.Errorf("%s has more than %d MiB: a shorter session, or one saved without contents, is enough", path, largestHAR>>20)
	}
	w, err := parseHAR(text, path)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	if !allMethods {
		w.leaveRisky()
	}
	return w, w.complete(allMethods)
}

func parseHAR(text []byte, source string) (*Workload, error) {
	var h har
	if err := json.Unmarshal(text, &h); err != nil {
		return nil, fmt.Errorf("it is no HAR file: %w", err)
	}
	hosts := map[string]int{}
	site := ""
	urls := make([]*url.URL, len(h.Log.Entries))
	for i, e := range h.Log.Entries {
		u, err := url.Parse(e.Request.URL)
		if err != nil || u.Host == "" {
			continue
		}
		urls[i] = u
		if hosts[u.Host]++; hosts[u.Host] > hosts[site] {
			site = u.Host
		}
	}
	w := &Workload{Source: source}
	others, failed := 0, 0
	for i, e := range h.Log.Entries {
		switch u := urls[i]; {
		case u == nil || u.Host != site:
			others++
		case e.Response.Status >= 400 || e.Response.Status < 200 || strings.HasPrefix(u.Scheme, "ws"):
			failed++
		default:
			r := Request{Method: strings.ToUpper(e.Request.Method), Path: u.RequestURI(), Body: []byte(e.Request.PostData.Text), Share: 1, Redirects: true}
			for _, f := range e.Request.Headers {
				r.Header = appendHeader(r.Header, f.Name, f.Value)
			}
			w.add(r)
		}
	}
	w.leave(others, "requests", "they go to other sites than "+site)
	w.leave(failed, "requests", "their answer was no success")
	return w, nil
}

// appendHeader adds a header that a client of ours may send as it is: not one of the connection, of
// HTTP/2 or of a cache that the client does not have.
func appendHeader(list []bench.Field, name, value string) []bench.Field {
	switch strings.ToLower(name) {
	case "host", "connection", "content-length", "transfer-encoding", "upgrade", "keep-alive", "te", "expect",
		"if-none-match", "if-modified-since", "if-range", "if-match", "if-unmodified-since", "range", "proxy-connection":
		return list
	}
	field, err := bench.ParseField(name + ": " + value)
	if err != nil || strings.HasPrefix(name, ":") {
		return list
	}
	return append(list, field)
}

// add counts a request that is there already.
func (w *Workload) add(r Request) {
	i := slices.IndexFunc(w.Requests, func(have Request) bool {
		return have.Name() == r.Name() && string(have.Body) == string(r.Body)
	})
	if i >= 0 {
		w.Requests[i].Share += r.Share
		return
	}
	w.Requests = append(w.Requests, r)
}

func (w *Workload) leave(n int, what, why string) {
	if n > 0 {
		w.Left = append(w.Left, Left{fmt.Sprintf("%d %s", n, what), why})
	}
}
