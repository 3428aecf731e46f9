package sidecar

import (
	"sync"
	"time"

	"girin/internal/proc"
)

// Command is what to run.
type Command struct {
	Name string // in the log, unique
	Args []string
	Dir  string
	Env  []string
}

// Log is told what becomes of commands, and what they print.
type Log interface {
	Infof(format string, args ...any)
	Warningf(format string, args ...any)
	Errorf(format string, args ...any)
	// Line is a line that a command has printed. It must not block.
	Line(name string, pid int, text string)
}

// Config of a Group.
type Config struct {
	Starter *proc.Starter
	Guard   []string // the command line that runs Guard; a command's follows
	Log     Log
	Grace   time.Duration   // how long a command that is replaced may take to end
	Pauses  []time.Duration // before the next start, after so many quick ends in a row; nil: the usual ones
}

// usualPauses keep one that fails at once from taking a core. The last one stays.
var usualPauses = []time.Duration{time.Second, 2 * time.Second, 4 * time.Second, 8 * time.Second, 15 * time.Second, 30 * time.Second}

// Group is the commands that run at a time.
type Group struct {
	cfg    Config
	next   chan []Command // has room for one: what is to run in place of what runs
	ending chan struct{}  // closed by End
	now    chan struct{}  // closed by Kill
	done   chan struct{}  // closed when run has returned

	once struct{ end, kill sync.Once }
	by   time.Time // set before ending is closed

	starts map[string]int // of run's goroutine: of each name, those of keepers that have ended

	mu      sync.Mutex
	keepers []*keeper // guarded by mu
}

// New returns a group that runs nothing. Start begins its work, Close ends it.
func New(cfg Config) *Group {
	if cfg.Pauses == nil {
		cfg.Pauses = usualPauses
	}
	return &Group{cfg: cfg, next: make(chan []Command, 1), ending: make(chan struct{}), now: make(chan struct{}), done: make(chan struct{}), starts: map[string]int{}}
}

// Start begins to do what Keep and End ask for.
func (g *Group) Start() { go g.run() }

// Keep runs these commands in place of those that run, which end first: two of
// a kind at once would do some work twice. It does not wait; of several calls
// the last one counts. It is called from one goroutine.
func (g *Group) Keep(commands []Command) {
	select {
	case <-g.next:
	default:
	}
	g.next <- commands
}

// End tells the commands to end (TERM), and kills those that have not by then. It
// does not wait. Only the first call counts.
func (g *Group) End(by time.Time) {
	g.once.end.Do(func() {
		g.by = by
		close(g.ending)
	})
}

// Kill ends the commands at once, and whatever they have started.
func (g *Group) Kill() {
	g.End(time.Time{})
	g.once.kill.Do(func() { close(g.now) })
}

// Close waits until all commands have ended, at the latest when End has said.
func (g *Group) Close() {
	g.End(time.Now().Add(g.cfg.Grace))
	<-g.done
}

func (g *Group) run() {
	defer close(g.done)
	for {
		select {
		case <-g.ending:
			g.endAll()
			return
		case commands := <-g.next:
			g.endAll()
			select {
			case <-g.ending:
				return
			default:
				g.startAll(commands)
			}
		}
	}
}

func (g *Group) startAll(commands []Command) {
	keepers := make([]*keeper, 0, len(commands))
	for _, c := range commands {
		k := newKeeper(g.cfg, c)
		k.status.Starts = g.starts[c.Name]
		keepers = append(keepers, k)
		go k.run()
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.keepers = keepers
}

// endAll returns when nothing runs any more. Its time is cut short by the end of
// the group.
func (g *Group) endAll() {
	keepers := g.current()
	for _, k := range keepers {
		close(k.ending)
	}
	late := time.NewTimer(g.cfg.Grace)
	defer late.Stop()
	ending := g.ending
	for _, k := range keepers {
		for waits := true; waits; {
			select {
			case <-k.done:
				waits = false
			case <-ending:
				ending = nil
				late.Reset(time.Until(g.by))
			case <-late.C:
				killAll(keepers)
			case <-g.now:
				killAll(keepers)
				<-k.done
			}
		}
	}
	for _, k := range keepers {
		g.starts[k.command.Name] = k.now().Starts
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.keepers = nil
}

func killAll(keepers []*keeper) {
	for _, k := range keepers {
		k.kill()
	}
}

func (g *Group) current() []*keeper {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.keepers
}

// Status says what becomes of each command.
func (g *Group) Status() []Status {
	var all []Status
	for _, k := range g.current() {
		all = append(all, k.now())
	}
	return all
}
