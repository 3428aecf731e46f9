package plan

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
)

// A Setting is one server in one size, ready to be started.
type Setting struct {
	Subject   string   `json:"subject"`          // the plan's name for it
	Server    string   `json:"server,omitempty"` // the built-in server that it is, empty for a command
	Workers   int      `json:"workers"`          // 0: the server has no such number, or chooses itself
	Threads   int      `json:"threads"`
	Class     string   `json:"class,omitempty"`
	Args      []string `json:"args,omitempty"`
	Interface string   `json:"interface,omitempty"` // ASGI, or empty for WSGI
	// Recommended is set for what the server's documentation recommends.
	Recommended bool `json:"recommended,omitempty"`
	// Again is the control's second run in a block.
	Again bool `json:"again,omitempty"`
}

// ID names the setting within its run: "gunicorn gevent 4x2".
func (s Setting) ID() string {
	words := []string{s.Subject}
	if s.Class != "" {
		words = append(words, s.Class)
	}
	if size := s.Size(); size != "" {
		words = append(words, size)
	}
	words = append(words, s.Args...)
	if s.Again {
		words = append(words, "(again)")
	}
	return strings.Join(words, " ")
}

// Size is workers x threads as far as the setting has them.
func (s Setting) Size() string {
	switch {
	case s.Workers > 0 && s.Threads > 0:
		return fmt.Sprintf("%dx%d", s.Workers, s.Threads)
	case s.Workers > 0:
		return fmt.Sprintf("%dw", s.Workers)
	case s.Threads > 0:
		return fmt.Sprintf("%dt", s.Threads)
	}
	return ""
}

// Slots is how many waiting requests the setting can run at once if every one of its
// threads takes one; 0 is as many as come.
func (s Setting) Slots() int {
	switch {
	case s.Class == "gevent", s.Class == "auto", s.Workers+s.Threads == 0:
		return 0
	case s.Class == "gaiohttp" && s.Server == "girin":
		return max(1, s.Workers) // the app blocks each worker's event loop
	}
	return max(1, s.Workers) * max(1, s.Threads)
}

// Expand lists the settings of the plan in the order in which it names them, each once.
// The control comes last, as a second copy of itself. The plan must have passed Parse.
func (p *Plan) Expand(cores int) []Setting {
	var all []Setting
	add := func(s Setting) {
		same := func(t Setting) bool { return t.ID() == s.ID() }
		if i := slices.IndexFunc(all, same); i >= 0 {
			all[i].Recommended = all[i].Recommended || s.Recommended
			return
		}
		all = append(all, s)
	}
	for _, subject := range p.Subjects {
		for _, choice := range p.Matrix.choices(subject.Name) {
			if s, ok := p.setting(choice, cores); ok {
				add(s)
			}
		}
		for _, choice := range p.Settings {
			if choice.Subject == subject.Name {
				s, _ := p.setting(choice, cores)
				add(s)
			}
		}
	}
	if p.Control != nil {
		s, _ := p.setting(*p.Control, cores)
		add(s)
		s.Again, s.Recommended = true, false
		add(s)
	}
	return all
}

// choices are the combinations of m for one subject.
func (m *Matrix) choices(subject string) []Choice {
	if m == nil {
		return nil
	}
	var all []Choice
	for _, class := range orOne(m.Class) {
		for _, workers := range orOne(m.Workers) {
			for _, threads := range orOne(m.Threads) {
				all = append(all, Choice{Subject: subject, Workers: workers, Threads: threads, Class: class})
			}
		}
	}
	return all
}

// orOne makes an absent dimension one that has a single, empty value.
func orOne[S ~[]E, E any](list S) S {
	if len(list) == 0 {
		return make(S, 1)
	}
	return list
}

// setting evaluates a choice. Numbers for which the command has no place are dropped, so
// that a server without them is not run twice; ok is false if the server has classes but
// not this one.
func (p *Plan) setting(c Choice, cores int) (s Setting, ok bool) {
	workers, _ := c.Workers.Eval(cores) // Parse has reported what is wrong
	threads, _ := c.Threads.Eval(cores)
	s = Setting{Subject: c.Subject, Server: p.subject(c.Subject).Server, Workers: workers, Threads: threads, Class: c.Class, Args: c.Args, Recommended: c.Recommended}
	if p.Interface == ASGI {
		s.Interface = ASGI
	}
	server, builtIn := p.subject(c.Subject).BuiltIn()
	if !strings.Contains(server.Command, "{workers}") {
		s.Workers = 0
	}
	if !strings.Contains(server.Command, "{threads}") {
		s.Threads = 0
	}
	if !strings.Contains(server.Command, "{class}") {
		s.Class = ""
	}
	return s, !builtIn || s.Class == "" || slices.Contains(server.Classes, s.Class)
}

func (p *Plan) subject(name string) Subject {
	i := slices.IndexFunc(p.Subjects, func(s Subject) bool { return s.Name == name })
	if i < 0 {
		return Subject{}
	}
	return p.Subjects[i]
}

// SubjectOf returns the subject of a setting.
func (p *Plan) SubjectOf(s Setting) Subject { return p.subject(s.Subject) }

// AllScenarios is every endpoint under every load, then the plan's own scenarios.
func (p *Plan) AllScenarios() []Scenario {
	var all []Scenario
	for _, load := range p.Loads {
		for _, e := range p.Endpoints {
			name := e.Name
			if len(p.Loads) > 1 {
				name += " " + load.String()
			}
			stream := Stream{Endpoint: e, Load: load}
			all = append(all, Scenario{Name: name, Phases: []Phase{{Name: name, Duration: load.Duration, Streams: []Stream{stream}}}})
		}
	}
	return append(all, p.Scenarios...)
}

// String is the load in ab's letters: "-n 32 -c 16".
func (l Load) String() string {
	var words []string
	if l.Open() {
		words = append(words, fmt.Sprintf("%g/s", l.Rate))
	}
	if l.Arrivals == Poisson {
		words = append(words, Poisson)
	}
	if l.Requests > 0 {
		words = append(words, fmt.Sprintf("-n %d", l.Requests))
	}
	if l.Duration > 0 {
		words = append(words, fmt.Sprintf("-d %v", l.Duration))
	}
	if l.Clients > 0 {
		words = append(words, fmt.Sprintf("-c %d", l.Clients))
	}
	return strings.Join(words, " ")
}

// A Visit is one freshly started server and what is asked of it before it is stopped.
type Visit struct {
	Block     int // from 1
	Setting   Setting
	Scenarios []Scenario
}

// Key names the visit within its run.
func (v Visit) Key() string {
	key := fmt.Sprintf("%d/%s", v.Block, v.Setting.ID())
	if len(v.Scenarios) == 1 {
		key += "/" + v.Scenarios[0].Name
	}
	return key
}

// Schedule orders the visits: each block holds every cell once, in an order of its own
// that follows from the seed. A drift of the machine so falls on all alike.
func (p *Plan) Schedule(settings []Setting) []Visit {
	var all []Visit
	for block := 1; block <= p.Repeats; block++ {
		all = append(all, p.Block(block, settings)...)
	}
	return all
}

// Block is one block of the schedule, whose order depends on no other.
func (p *Plan) Block(block int, settings []Setting) []Visit {
	var visits []Visit
	for _, s := range settings {
		visits = append(visits, p.visits(block, s)...)
	}
	random := rand.New(rand.NewPCG(p.Seed, uint64(block)))
	random.Shuffle(len(visits), func(i, j int) { visits[i], visits[j] = visits[j], visits[i] })
	return visits
}

func (p *Plan) visits(block int, s Setting) []Visit {
	scenarios := p.AllScenarios()
	if p.Fresh == FreshSetting {
		return []Visit{{Block: block, Setting: s, Scenarios: scenarios}}
	}
	var all []Visit
	for _, sc := range scenarios {
		all = append(all, Visit{Block: block, Setting: s, Scenarios: []Scenario{sc}})
	}
	return all
}
