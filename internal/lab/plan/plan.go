package plan

import (
	"cmp"
	"fmt"
	"strings"
	"time"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
)

// Examples, as a plan's Chdir, is where the apps lie that this program brings along.
const Examples = "girin:examples"

// A Plan is an experiment as it is written down.
type Plan struct {
	Name  string `yaml:"name"`
	About string `yaml:"about"`

	// App is the application, module:callable; Chdir is where it is imported: relative to
	// the directory in which the lab was started, or Examples. Interface is WSGI, the
	// default, or ASGI.
	App       string `yaml:"app"`
	Chdir     string `yaml:"chdir"`
	Interface string `yaml:"interface"`
	// Python is the interpreter of every server. Empty: the one that would run an
	// application in the working directory, see interpreter.Choice.
	Python      string            `yaml:"python"`
	Environment map[string]string `yaml:"environment"`
	// Upstream starts `girin upstream` and tells the app of it in $UPSTREAM_URL.
	Upstream *Upstream `yaml:"upstream"`

	Subjects []Subject `yaml:"subjects"`
	Matrix   *Matrix   `yaml:"matrix"`
	Settings []Choice  `yaml:"settings"`
	// Control is run twice in each block under two names. The difference between the
	// two is the noise floor.
	Control *Choice `yaml:"control"`

	Endpoints []Endpoint `yaml:"endpoints"`
	Loads     []Load     `yaml:"loads"`
	Scenarios []Scenario `yaml:"scenarios"`

	// Fresh says what a freshly started server is used for: one "cell" (the default) or
	// all scenarios of a "setting", which saves starts in a sketch.
	Fresh   string `yaml:"fresh"`
	Warmup  Warmup `yaml:"warmup"`
	Repeats int    `yaml:"repeats"`
	// Tell is the difference that is to be told. The lab then chooses the repeats, and once
	// more after each block, by what the runs differ by themselves; Noise is what is
	// assumed of that before there are runs.
	Tell  Share  `yaml:"tell"`
	Noise Share  `yaml:"noise"`
	Seed  uint64 `yaml:"seed"`
}

// Upstream is the slow external API that the app calls.
type Upstream struct {
	Path string `yaml:"path"` // such as /delay/0.2
}

// A Subject is a server under test. In a plan it is either a bare name of the built-in
// ones or a mapping.
type Subject struct {
	Name string `yaml:"name"`
	// Server is the built-in one to use; empty means Name. The same server under two
	// names is how an A/A plan is written.
	Server string `yaml:"server"`
	// Command replaces the built-in one. Placeholders: {host} {port} {app} {module}
	// {callable} {workers} {threads} {class} {python} {bin} {girin}.
	Command string   `yaml:"command"`
	Args    []string `yaml:"args"` // appended to the command
	// Interface is the plan's.
	Interface string `yaml:"-"`
}

// Matrix is every combination of its values, for each subject.
type Matrix struct {
	Workers Exprs    `yaml:"workers"`
	Threads Exprs    `yaml:"threads"`
	Class   []string `yaml:"class"`
}

// A Choice is one setting, written out.
type Choice struct {
	Subject string   `yaml:"subject"`
	Workers Expr     `yaml:"workers"`
	Threads Expr     `yaml:"threads"`
	Class   string   `yaml:"class"`
	Args    []string `yaml:"args"`
	// Recommended marks what the server's documentation recommends.
	Recommended bool `yaml:"recommended"`
}

// Kinds of endpoint, which decide what ideal is drawn.
const (
	Waiting   = "waiting"   // holds a thread and needs no CPU
	Computing = "computing" // needs a core
	Light     = "light"     // neither, noticeably
)

// An Endpoint is one path of the app under each of the plan's loads.
type Endpoint struct {
	Name  string   `yaml:"name"`
	Path  string   `yaml:"path"`
	Kind  string   `yaml:"kind"`
	Takes Duration `yaml:"takes"` // how long a waiting one waits
	// Body is "same" (the default: every server must send the same bytes) or "any".
	Body string `yaml:"body"`

	// Method is GET, or POST if there is something to Send, the request's body. SendFile
	// reads it from a file, relative to the directory in which the lab was started.
	Method   string            `yaml:"method"`
	Headers  map[string]string `yaml:"headers"`
	Send     string            `yaml:"send"`
	SendFile string            `yaml:"send_file"`
	// URLs is a file in the form of girin bench --urls, whose addresses may begin with the
	// path: many kinds of requests as one endpoint. Path is then what is asked for once
	// before the load.
	URLs string `yaml:"urls"`
	// Scenario is a file of girin bench --scenario: what one visitor does, step after step. Each step is
	// a request; Path is what is asked for once before the load.
	Scenario string `yaml:"scenario"`
	// WebSocket makes a request a message on a socket at Path, which Send is; the server's
	// next message answers it.
	WebSocket bool `yaml:"websocket"`
}

// Requests is the file that says what is asked; empty if it is the endpoint's own path.
func (e *Endpoint) Requests() string { return cmp.Or(e.URLs, e.Scenario) }

// A Load is closed (Clients that each send as soon as they have the answer) or open
// (Rate requests a second, whatever the answers do).
type Load struct {
	Requests int      `yaml:"requests"`
	Clients  int      `yaml:"clients"`
	Rate     float64  `yaml:"rate"`
	Duration Duration `yaml:"duration"`
	// Keepalive reuses connections. Off by default, as in ab.
	Keepalive bool `yaml:"keepalive"`
	// Arrivals of an open load are "constant" (the default) or "poisson", as visitors who
	// know nothing of each other come.
	Arrivals string `yaml:"arrivals"`
}

// Values of Load.Arrivals.
const (
	Constant = "constant"
	Poisson  = "poisson"
)

// A Scenario is a sequence of phases on one server without a pause between them.
type Scenario struct {
	Name   string  `yaml:"name"`
	Phases []Phase `yaml:"phases"`
}

// A Phase is several loads at once for a while.
type Phase struct {
	Name     string   `yaml:"name"`
	Duration Duration `yaml:"duration"`
	Streams  []Stream `yaml:"streams"`
}

// A Stream is one load on one endpoint within a phase.
type Stream struct {
	Endpoint `yaml:",inline"`
	Load     Load `yaml:"load"`
	// Ideal is what the machine could serve of it in requests a second, 0 if unknown.
	Ideal float64 `yaml:"ideal"`
}

// Warmup is sent to a fresh server and discarded.
type Warmup struct {
	Path     string `yaml:"path"`
	Requests int    `yaml:"requests"`
	Clients  int    `yaml:"clients"`
}

// Open reports whether requests are sent at a rate, not as answers arrive.
func (l Load) Open() bool { return l.Rate > 0 }

// A Duration is a time.Duration that is written as 0.2s, 5s or 2m.
type Duration time.Duration

// UnmarshalYAML reports a bad value with its line, which the library would lose.
func (d *Duration) UnmarshalYAML(node ast.Node) error {
	parsed, err := time.ParseDuration(unquote(node))
	if err != nil {
		return &yaml.SyntaxError{Message: fmt.Sprintf("%s is not a duration such as 0.2s or 2m", node), Token: node.GetToken()}
	}
	*d = Duration(parsed)
	return nil
}

// Std is the duration in the standard library's type.
func (d Duration) Std() time.Duration { return time.Duration(d) }

// Seconds is the duration in seconds.
func (d Duration) Seconds() float64 { return time.Duration(d).Seconds() }

func (d Duration) String() string { return time.Duration(d).String() }

// unquote is the text of a scalar.
func unquote(node ast.Node) string { return strings.Trim(node.String(), `"' `) }
