package workload

import (
	"bytes"
	"cmp"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"girin/internal/bench"
)

// har is what is read of a HAR file (HTTP Archive 1.2), which browsers' developer tools write.
type har struct {
	Log struct{ Entries []harEntry }
}

type harEntry struct {
	Request struct {
		Method, URL string
		Headers     []struct{ Name, Value string }
		PostData    struct {
			MimeType, Text, Encoding string
			Params                   []struct{ Name, Value string }
		}
		BodySize float64
	}
	Response struct {
		Status  int
		Content struct{ MimeType string }
	}
	FromCache string `json:"_fromCache"` // Chrome's: no server has seen it
}

// largestHAR is how large a file may be, since it is held in memory: most of one is contents of answers.
const largestHAR = 512 << 20

// FromHAR reads a HAR file: the requests to the site that most of its pages come from, with their headers.
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
	if err := json.Unmarshal(bytes.TrimPrefix(text, []byte("\ufeff")), &h); err != nil { // the specification allows the mark
		return nil, fmt.Errorf("it is no HAR file: %w", err)
	}
	site, others := h.site()
	w := &Workload{Source: source}
	failed, cached := 0, 0
	for _, e := range h.Log.Entries {
		u := e.url()
		switch body, whole := e.body(); {
		case u == nil || u.Host != site:
		case e.Response.Status >= 400 || e.Response.Status < 200 || strings.HasPrefix(u.Scheme, "ws"):
			failed++
		case e.FromCache != "":
			cached++
		case !whole:
			w.Left = append(w.Left, Left{strings.ToUpper(e.Request.Method) + " " + u.RequestURI(),
				"the file does not have its body as it was sent (browsers write bodies as text); a line @BODYFILE below its URL in --urls FILE can give it"})
		default:
			r := Request{Method: strings.ToUpper(e.Request.Method), Path: u.RequestURI(), Body: body, Share: 1, Redirects: e.redirected()}
			for _, f := range e.Request.Headers {
				r.Header = appendHeader(r.Header, f.Name, f.Value)
			}
			w.add(r)
		}
	}
	w.leaveOthers(site, others)
	w.leave(failed, "the answer was no success")
	w.leave(cached, "the browser had the answer in its cache")
	return w, nil
}

// url is the entry's, nil if it is not one that is asked over HTTP, such as data: and those of browsers' extensions.
func (e *harEntry) url() *url.URL {
	u, err := url.Parse(e.Request.URL)
	if err != nil || u.Host == "" || !slices.Contains([]string{"http", "https", "ws", "wss"}, u.Scheme) {
		return nil
	}
	return u
}

func (e *harEntry) redirected() bool {
	return e.Response.Status >= 300 && e.Response.Status < 400 && e.Response.Status != 304
}

// site is the host that most pages come from, since their scripts, fonts and pictures may come from elsewhere, and more of
// them; of an API, which has no pages, the host with the most requests. others are the requests of each other host.
func (h *har) site() (site string, others map[string]int) {
	pages, others := map[string]int{}, map[string]int{}
	for _, e := range h.Log.Entries {
		host := ""
		if u := e.url(); u != nil {
			host = u.Host
		}
		others[host]++
		if host != "" && strings.HasPrefix(e.Response.Content.MimeType, "text/html") {
			pages[host]++
		}
	}
	for _, e := range h.Log.Entries { // the first of equals, and always the same
		u := e.url()
		if u != nil && (site == "" || cmp.Or(cmp.Compare(pages[u.Host], pages[site]), cmp.Compare(others[u.Host], others[site])) > 0) {
			site = u.Host
		}
	}
	delete(others, site)
	return site, others
}

// body is what the request sent, and whether the file has it whole: Chrome writes bodies as text, in which other bytes are
// lost, and of files that are uploaded nothing.
func (e *harEntry) body() (body []byte, whole bool) {
	p := e.Request.PostData
	body = []byte(p.Text)
	if p.Encoding == "base64" { // as the proposal for HAR 1.3 has it
		decoded, err := base64.StdEncoding.DecodeString(p.Text)
		if err != nil {
			return nil, false
		}
		body = decoded
	}
	if len(body) == 0 && strings.HasPrefix(p.MimeType, "application/x-www-form-urlencoded") { // the specification has either text or these
		var pairs []string
		for _, f := range p.Params {
			pairs = append(pairs, url.QueryEscape(f.Name)+"="+url.QueryEscape(f.Value))
		}
		body = []byte(strings.Join(pairs, "&"))
	}
	for _, f := range e.Request.Headers {
		if strings.EqualFold(f.Name, "Content-Length") {
			return body, strings.TrimSpace(f.Value) == strconv.Itoa(len(body))
		}
	}
	return body, len(body) > 0 && !bytes.ContainsRune(body, utf8.RuneError) || len(body) == 0 && e.Request.BodySize <= 0
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

// add counts a request that is there already. Of two the later is asked, which may have the session of a login between them,
// unless it leads elsewhere and the other did not, as after a logout.
func (w *Workload) add(r Request) {
	i := slices.IndexFunc(w.Requests, func(have Request) bool {
		return have.Path == r.Path && have.Method == r.Method && string(have.Body) == string(r.Body) // of thousands: no names are made
	})
	if i < 0 {
		w.Requests = append(w.Requests, r)
		return
	}
	have := &w.Requests[i]
	have.Share += r.Share
	if !r.Redirects || have.Redirects {
		have.Redirects = r.Redirects
		if len(r.Header) > 0 {
			have.Header = r.Header
		}
	}
}

func (w *Workload) leave(n int, why string) {
	if n > 0 {
		w.Left = append(w.Left, Left{bench.Plural(n, "request"), why})
	}
}

// mostHosts is how many other sites are named.
const mostHosts = 3

// leaveOthers notes what went to other sites: if the wrong one was taken for the application's, they show it.
func (w *Workload) leaveOthers(site string, others map[string]int) {
	sum := 0
	for _, n := range others {
		sum += n
	}
	hosts := slices.DeleteFunc(slices.Sorted(maps.Keys(others)), func(host string) bool { return host == "" })
	slices.SortStableFunc(hosts, func(a, b string) int { return cmp.Compare(others[b], others[a]) })
	why := "to other sites than " + cmp.Or(site, "one that is asked over HTTP")
	for i, host := range hosts[:min(mostHosts, len(hosts))] {
		why += fmt.Sprintf("%s %s (%d)", [...]string{":", ","}[min(i, 1)], host, others[host])
	}
	if len(hosts) > mostHosts {
		why += " and others"
	}
	w.leave(sum, why)
}
