// Package page is the jobs page: what a person sees of the jobs in a browser, and may do
// with them. It owns the page and who may ask for it; what jobs there are, the handler
// tells that it is given.
package page

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	_ "embed"
	"encoding/base64"
	"html"
	"net"
	"net/http"
	"slices"
	"strings"
)

// Path is where the page is; all that it asks for is below.
const Path = "/.girin/jobs/"

// Config of a page.
type Config struct {
	App    string       // whose jobs these are
	Hosts  []string     // names by which the page may be asked for, beside localhost and addresses
	Inside http.Handler // answers GET /board, /jobs/ID and what changes jobs
}

type handler struct {
	Config
	token  string // which the page shows with what changes something: only it can know it
	page   []byte
	policy string
	cross  *http.CrossOriginProtection
}

// New returns what answers for the page, below Path.
func New(c Config) http.Handler {
	h := &handler{Config: c, token: rand.Text(), cross: http.NewCrossOriginProtection()}
	h.page, h.policy = assemble(c.App, h.token)
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+Path+"{$}", h.show)
	mux.HandleFunc("GET "+Path+"events", h.pass("/board"))
	mux.HandleFunc("GET "+Path+"{id}", h.passJob(""))
	mux.HandleFunc("DELETE "+Path+"{id}", h.passJob(""))
	mux.HandleFunc("POST "+Path+"{id}/retry", h.passJob("/retry"))
	return h.guard(mux)
}

var (
	//go:embed page.html
	frame string
	//go:embed page.css
	style string
	//go:embed page.js
	script string
)

// assemble puts the page together, and says what a browser may do with it: nothing but
// run its own script and ask its own server.
func assemble(app, token string) (page []byte, policy string) {
	text := strings.NewReplacer(
		"{{.App}}", html.EscapeString(app), "{{.Token}}", token, "{{.Style}}", style, "{{.Script}}", script,
	).Replace(frame)
	policy = "default-src 'none'; script-src '" + hash(script) + "'; style-src '" + hash(style) +
		"'; connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
	return []byte(text), policy
}

func hash(text string) string {
	sum := sha256.Sum256([]byte(text))
	return "sha256-" + base64.StdEncoding.EncodeToString(sum[:])
}

func (h *handler) show(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Content-Security-Policy", h.policy)
	_, _ = w.Write(h.page)
}

// pass lets the inside answer, as if it had been asked for path.
func (h *handler) pass(path string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		r = r.Clone(r.Context())
		r.URL.Path, r.URL.RawPath, r.URL.RawQuery = path, "", ""
		h.Inside.ServeHTTP(w, r)
	}
}

func (h *handler) passJob(after string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		id := r.PathValue("id")
		if !plain(id) {
			http.Error(w, "there is no such job", http.StatusNotFound)
			return
		}
		h.pass("/jobs/"+id+after)(w, r)
	}
}

// plain reports whether a name may be a job's: nothing in it means something in a path.
func plain(id string) bool {
	return id != "" && len(id) < 64 && !strings.ContainsFunc(id, func(c rune) bool { return (c < '0' || c > '9') && (c < 'a' || c > 'z') })
}

// tokenField is how the page shows its token. A page of another origin cannot set it
// without asking first, which nobody answers.
const tokenField = "X-Girin-Token"

// guard refuses who is not the page of this server: another name that leads here (DNS
// rebinding), another origin, no token.
func (h *handler) guard(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		head := w.Header()
		head.Set("X-Content-Type-Options", "nosniff")
		head.Set("X-Frame-Options", "DENY")
		head.Set("Referrer-Policy", "no-referrer")
		head.Set("Cross-Origin-Resource-Policy", "same-origin")
		head.Set("Cross-Origin-Opener-Policy", "same-origin")
		head.Set("Cache-Control", "no-store")
		switch safe := r.Method == http.MethodGet || r.Method == http.MethodHead; {
		case !h.knows(r.Host):
			http.Error(w, "the jobs page is not asked for by this name: --jobs-page-host allows it", http.StatusMisdirectedRequest)
		case safe && r.URL.Path != Path && isForeign(r.Header.Get("Sec-Fetch-Site")):
			http.Error(w, "only the jobs page itself may ask this", http.StatusForbidden)
		case !safe && (h.cross.Check(r) != nil || !h.shows(r.Header.Get(tokenField))):
			http.Error(w, "only the jobs page itself may do this: load it again", http.StatusForbidden)
		default:
			next.ServeHTTP(w, r)
		}
	})
}

// isForeign reports whether a browser says that another site asks.
func isForeign(site string) bool { return site == "cross-site" || site == "same-site" }

func (h *handler) shows(token string) bool {
	return subtle.ConstantTimeCompare([]byte(token), []byte(h.token)) == 1
}

// knows reports whether a request's Host is one that nobody else can lead here: an
// address, this machine's own name for itself, or what the settings name.
func (h *handler) knows(host string) bool {
	name, _, err := net.SplitHostPort(host)
	if err != nil {
		name = host
	}
	name = strings.ToLower(strings.TrimSuffix(strings.Trim(name, "[]"), "."))
	if net.ParseIP(name) != nil || name == "localhost" || strings.HasSuffix(name, ".localhost") {
		return true
	}
	return slices.ContainsFunc(h.Hosts, func(known string) bool { return strings.EqualFold(known, name) })
}
