package plan

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"unicode"
)

// Values of Plan.Fresh.
const (
	FreshCell    = "cell"
	FreshSetting = "setting"
)

// mostRepeats is beyond what anybody waits for.
const mostRepeats = 1000

// fillIn replaces what was left out by its default.
func (p *Plan) fillIn() {
	if p.Name == "" {
		p.Name = "lab"
	}
	if p.Warmup.Path == "" {
		p.Warmup.Path = "/"
	}
	if p.Warmup.Requests == 0 {
		p.Warmup.Requests = 32
	}
	if p.Warmup.Clients == 0 {
		p.Warmup.Clients = min(8, p.Warmup.Requests)
	}
	if p.Interface == "" {
		p.Interface = WSGI
	}
	for i := range p.Subjects {
		s := &p.Subjects[i]
		s.Interface = p.Interface
		if s.Server == "" && s.Command == "" {
			s.Server = s.Name
		}
	}
	for i := range p.Endpoints {
		p.Endpoints[i].fillIn()
	}
	p.eachStream(func(_ string, s *Stream) { s.Endpoint.fillIn() })
}

func (e *Endpoint) fillIn() {
	if e.Name == "" {
		e.Name = e.Path
	}
	if e.Kind == "" {
		e.Kind = Light
	}
	if e.Body == "" {
		e.Body = "same"
		if e.Scenario != "" {
			e.Body = "any" // its steps carry values from one answer to the next
		}
	}
	if e.Method == "" {
		e.Method = http.MethodGet
		if (e.Send != "" || e.SendFile != "") && !e.WebSocket {
			e.Method = http.MethodPost
		}
	}
}

// eachStream calls f with the path and the stream of each scenario's streams.
func (p *Plan) eachStream(f func(path string, s *Stream)) {
	for i := range p.Scenarios {
		for j := range p.Scenarios[i].Phases {
			phase := &p.Scenarios[i].Phases[j]
			for k := range phase.Streams {
				f(fmt.Sprintf("$.scenarios[%d].phases[%d].streams[%d]", i, j, k), &phase.Streams[k])
			}
		}
	}
}

// checker collects what is wrong with a plan; a fault's path is in the form that
// yaml.PathString understands.
type checker struct {
	plan   *Plan
	cores  int
	faults []fault
}

type fault struct {
	path string
	err  error
}

func (c *checker) fail(path, format string, args ...any) {
	c.faults = append(c.faults, fault{path, fmt.Errorf(format, args...)})
}

func (c *checker) run() {
	p := c.plan
	if module, callable, ok := strings.Cut(p.App, ":"); !ok || module == "" || callable == "" {
		c.fail("$.app", "%q is not of the form module:callable", p.App)
	}
	c.oneOf("$.fresh", p.Fresh, FreshCell, FreshSetting)
	c.oneOf("$.interface", p.Interface, WSGI, ASGI)
	c.atLeast("$.repeats", p.Repeats, 1)
	if p.Repeats > mostRepeats {
		c.fail("$.repeats", "%d is more than %d", p.Repeats, mostRepeats)
	}
	c.urlPath("$.warmup.path", p.Warmup.Path)
	c.atLeast("$.warmup.clients", p.Warmup.Clients, 1)
	c.atLeast("$.warmup.requests", p.Warmup.Requests, p.Warmup.Clients)
	if p.Upstream != nil {
		c.urlPath("$.upstream.path", p.Upstream.Path)
	}
	c.subjects()
	c.settings()
	c.scenarios()
}

func (c *checker) subjects() {
	if len(c.plan.Subjects) == 0 {
		c.fail("$.subjects", "at least one server is needed, such as girin")
	}
	seen := map[string]bool{}
	for i, s := range c.plan.Subjects {
		path := fmt.Sprintf("$.subjects[%d]", i)
		if s.Name == "" {
			c.fail(path, "a subject needs a name")
		}
		if seen[s.Name] {
			c.fail(path, "the name %q is used twice", s.Name)
		}
		seen[s.Name] = true
		if s.Command == "" {
			switch server, ok := servers()[s.Server]; {
			case !ok:
				c.fail(path, "unknown server %q (built in: %s); any other needs a command", s.Server, strings.Join(ServerNames(), ", "))
			case s.Interface == ASGI && server.ASGI == "":
				c.fail(path, "%s runs no ASGI application", s.Server)
			case s.Interface != ASGI && server.OnlyASGI:
				c.fail(path, "%s runs ASGI applications only: interface: asgi", s.Server)
			}
		} else if err := checkTemplate(s.Command); err != nil {
			c.fail(path+".command", "%w", err)
		}
	}
}

func (c *checker) settings() {
	p := c.plan
	if p.Matrix == nil && len(p.Settings) == 0 {
		c.fail("$.matrix", "neither a matrix nor settings: nothing to run")
	}
	if p.Matrix != nil {
		for i, e := range p.Matrix.Workers {
			c.expr(fmt.Sprintf("$.matrix.workers[%d]", i), e)
		}
		for i, e := range p.Matrix.Threads {
			c.expr(fmt.Sprintf("$.matrix.threads[%d]", i), e)
		}
	}
	for i, choice := range p.Settings {
		c.choice(fmt.Sprintf("$.settings[%d]", i), choice)
	}
	if p.Control != nil {
		c.choice("$.control", *p.Control)
	}
}

func (c *checker) choice(path string, choice Choice) {
	if !slices.ContainsFunc(c.plan.Subjects, func(s Subject) bool { return s.Name == choice.Subject }) {
		c.fail(path+".subject", "%q is not among the subjects", choice.Subject)
	}
	c.expr(path+".workers", choice.Workers)
	c.expr(path+".threads", choice.Threads)
}

func (c *checker) scenarios() {
	p := c.plan
	if len(p.Endpoints) == 0 && len(p.Scenarios) == 0 {
		c.fail("$.endpoints", "neither endpoints nor scenarios: nothing to load")
	}
	if len(p.Endpoints) > 0 && len(p.Loads) == 0 {
		c.fail("$.loads", "endpoints need at least one load")
	}
	for i, l := range p.Loads {
		c.load(fmt.Sprintf("$.loads[%d]", i), l, 0)
	}
	names := map[string]bool{}
	for i, e := range p.Endpoints {
		path := fmt.Sprintf("$.endpoints[%d]", i)
		c.endpoint(path, e)
		c.unique(path, e.Name, names)
	}
	for i, s := range p.Scenarios {
		path := fmt.Sprintf("$.scenarios[%d]", i)
		c.unique(path, s.Name, names)
		if len(s.Phases) == 0 {
			c.fail(path, "a scenario needs at least one phase")
		}
		c.phases(path, s.Phases)
	}
}

func (c *checker) phases(path string, phases []Phase) {
	names := map[string]bool{}
	for i, ph := range phases {
		at := fmt.Sprintf("%s.phases[%d]", path, i)
		c.unique(at, ph.Name, names)
		if ph.Duration <= 0 {
			c.fail(at+".duration", "a phase needs a duration, such as 20s")
		}
		if len(ph.Streams) == 0 {
			c.fail(at, "a phase needs at least one stream")
		}
		streams := map[string]bool{}
		for j, s := range ph.Streams {
			where := fmt.Sprintf("%s.streams[%d]", at, j)
			c.endpoint(where, s.Endpoint)
			c.unique(where, s.Name, streams)
			c.load(where+".load", s.Load, ph.Duration)
		}
	}
}

func (c *checker) unique(path, name string, seen map[string]bool) {
	if name == "" {
		c.fail(path, "needs a name")
	} else if seen[name] {
		c.fail(path+".name", "%q is used twice", name)
	}
	seen[name] = true
}

func (c *checker) endpoint(path string, e Endpoint) {
	c.urlPath(path+".path", e.Path)
	c.oneOf(path+".kind", e.Kind, Waiting, Computing, Light)
	c.oneOf(path+".body", e.Body, "same", "any")
	if e.Takes < 0 {
		c.fail(path+".takes", "%v is negative", e.Takes)
	}
	if strings.ToUpper(e.Method) != e.Method || strings.ContainsFunc(e.Method, unicode.IsSpace) {
		c.fail(path+".method", "%q is no method such as PUT", e.Method)
	}
	for _, name := range slices.Sorted(maps.Keys(e.Headers)) {
		if name == "" || strings.ContainsAny(name, ": \r\n\x00") || strings.ContainsAny(e.Headers[name], "\r\n\x00") {
			c.fail(path+".headers", "%q is no header", name)
		}
	}
	if e.WebSocket && (e.Requests() != "" || e.Method != http.MethodGet) {
		c.fail(path, "a websocket has neither urls nor a scenario nor a method")
	}
	switch {
	case e.Send != "" && e.SendFile != "":
		c.fail(path, "send and send_file are two bodies: choose one")
	case e.URLs != "" && e.Scenario != "":
		c.fail(path, "urls and scenario are two loads: choose one")
	case e.Requests() != "" && (e.Send != "" || e.SendFile != "" || len(e.Headers) > 0 || e.Method != http.MethodGet):
		c.fail(path, "what the requests of %s send stands in that file", e.Requests())
	}
}

// load checks one load; phase is the duration that it inherits, 0 if it must say itself
// when it ends.
func (c *checker) load(path string, l Load, phase Duration) {
	switch {
	case l.Rate < 0 || l.Clients < 0 || l.Requests < 0 || l.Duration < 0:
		c.fail(path, "negative values mean nothing here")
	case l.Arrivals != "" && !l.Open():
		c.fail(path, "arrivals are those of an open load, which has a rate")
	case l.Arrivals != "" && l.Arrivals != Constant && l.Arrivals != Poisson:
		c.fail(path+".arrivals", "%q is not one of %s, %s", l.Arrivals, Constant, Poisson)
	case l.Open() && l.Clients+l.Requests > 0:
		c.fail(path, "rate is an open load: it goes with duration, not with clients or requests")
	case !l.Open() && l.Clients == 0:
		c.fail(path, "a load needs clients (closed) or a rate (open)")
	case phase > 0 && (l.Requests > 0 || l.Duration > 0):
		c.fail(path, "a stream lasts as long as its phase: neither requests nor duration here")
	case phase == 0 && l.Requests == 0 && l.Duration == 0:
		c.fail(path, "a load needs requests or a duration")
	case l.Requests > 0 && l.Duration > 0:
		c.fail(path, "requests and duration are two ends: choose one")
	case l.Requests > 0 && l.Requests < l.Clients:
		c.fail(path, "%d requests are not enough for %d clients", l.Requests, l.Clients)
	}
}

func (c *checker) oneOf(path, value string, allowed ...string) {
	if !slices.Contains(allowed, value) {
		c.fail(path, "%q is not one of %s", value, strings.Join(allowed, ", "))
	}
}

func (c *checker) atLeast(path string, value, low int) {
	if value < low {
		c.fail(path, "%d is less than %d", value, low)
	}
}

func (c *checker) urlPath(path, value string) {
	if !strings.HasPrefix(value, "/") {
		c.fail(path, "%q does not begin with /", value)
	}
}

func (c *checker) expr(path string, e Expr) {
	if _, err := e.Eval(c.cores); err != nil {
		c.fail(path, "%w", err)
	}
}
