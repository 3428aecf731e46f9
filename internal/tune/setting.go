package tune

import (
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/pflag"

	"girin/internal/config"
)

// Setting is one way to run the application. Workers and Threads are 0 where the class has none, or
// finds its own.
type Setting struct {
	Class   string `json:"class"`
	Workers int    `json:"workers,omitempty"`
	Threads int    `json:"threads,omitempty"`
	Preload bool   `json:"preload,omitempty"`
}

const (
	auto    = "auto"
	gthread = "gthread"
)

// String is the setting as options of the command line.
func (s Setting) String() string {
	words := s.Args()
	if s.Class == auto {
		words[0], words = auto, append(words[:1], words[2:]...)
	}
	return strings.Join(words, " ")
}

// Args are the options that choose it.
func (s Setting) Args() []string {
	var words []string
	switch s.Class {
	case auto:
		words = []string{"-k", auto}
	case "sync", gthread: // what the number of threads says
	default:
		words = append(words, "-k", s.Class)
	}
	if s.Workers > 0 {
		words = append(words, "-w", strconv.Itoa(s.Workers))
	}
	if s.Threads > 1 {
		words = append(words, "--threads", strconv.Itoa(s.Threads))
	}
	if s.Preload {
		words = append(words, "--preload")
	}
	return words
}

// ParseSetting reads a setting as String writes it: auto, or -k, -w, --threads and --preload.
func ParseSetting(text string) (s Setting, err error) {
	fs := pflag.NewFlagSet("setting", pflag.ContinueOnError)
	fs.SetOutput(io.Discard)
	fs.StringVarP(&s.Class, "worker-class", "k", "", "")
	fs.IntVarP(&s.Workers, "workers", "w", 0, "")
	fs.IntVar(&s.Threads, "threads", 0, "")
	fs.BoolVar(&s.Preload, "preload", false, "")
	words := strings.Fields(text)
	if len(words) > 0 && words[0] == auto {
		words[0] = "-k=" + auto
	}
	if err = fs.Parse(words); err == nil && (fs.NArg() > 0 || len(words) == 0) {
		err = errors.New("it is not of that form")
	}
	fixed := s.Workers > 0 || s.Threads > 0
	switch {
	case err != nil:
	case s.Workers < 0 || s.Threads < 0:
		err = errors.New("a number below zero")
	case s.Class == auto && fixed:
		err = errors.New("auto finds its own numbers")
	case s.Class == "" || s.Class == "sync" || s.Class == gthread:
		s.Workers, s.Threads = max(s.Workers, 1), max(s.Threads, 1)
		if s.Class = "sync"; s.Threads > 1 {
			s.Class = gthread
		}
	case s.Class != auto:
		s.Workers = max(s.Workers, 1)
	}
	if err != nil {
		return s, fmt.Errorf("%q is no setting such as auto, '-w 3 --threads 8' or '-k gevent -w 2': %w", text, err)
	}
	return s, nil
}

// Slots is how many requests it runs at once; 0: as many as it likes.
func (s Setting) Slots() int {
	if s.Class != "sync" && s.Class != gthread {
		return 0
	}
	return s.Workers * s.Threads
}

// App is what an application can be run with.
type App struct {
	ASGI    bool
	Missing map[string]string // classes that it cannot have: why
	Alone   string            // why it cannot have threads; empty: it can
}

// Settings are all that config's table has for an application on so many cores, but for preload. The
// first is auto, or what auto is for ASGI: one loop for each core.
func Settings(cores int, app App) []Setting {
	tuned := config.Tuned(cores)
	var all []Setting
	for _, class := range tuned["worker_class"] {
		class := class.(string)
		switch {
		case app.Missing[class] != "" || (class == "asgi") != app.ASGI:
		case class == auto:
			all = append(all, Setting{Class: class})
		case class == gthread && app.Alone != "":
		default:
			all = append(all, ofClass(class, tuned)...)
		}
	}
	if app.ASGI { // auto decides nothing there but the number of loops
		all = slices.Insert(all, 0, Setting{Class: auto})
	}
	return all
}

// ofClass are a class's settings: those with threads are gthread's.
func ofClass(class string, tuned map[string][]any) (all []Setting) {
	threads := []any{0}
	switch class {
	case "sync":
		threads = []any{1}
	case gthread:
		threads = slices.DeleteFunc(slices.Clone(tuned["threads"]), func(n any) bool { return n == 1 })
	}
	for _, w := range tuned["workers"] {
		for _, t := range threads {
			all = append(all, Setting{Class: class, Workers: w.(int), Threads: t.(int)})
		}
	}
	return all
}

// shuffled is all in the order in which they are tried: auto, then what gunicorn's documentation
// recommends (2 x cores + 1 workers), then the others as the seed says.
func shuffled(all []Setting, cores int, seed uint64) []Setting {
	order := slices.Clone(all[1:])
	rnd := rand.New(rand.NewPCG(seed, 0x74756e65))
	rnd.Shuffle(len(order), func(i, j int) { order[i], order[j] = order[j], order[i] })
	for i, s := range order {
		if s.Workers == 2*cores+1 && s.Threads <= 1 && s.Class != "gevent" {
			order[0], order[i] = order[i], order[0]
			break
		}
	}
	return slices.Insert(order, 0, all[0])
}

// near reports whether two settings are one step apart: of one class or its neighbour, with the next
// number of workers or of threads.
func near(a, b Setting, all []Setting) bool {
	if a.Class != b.Class && a.Slots()*b.Slots() == 0 {
		return false
	}
	dw := distance(a.Workers, b.Workers, all, func(s Setting) int { return s.Workers })
	dt := distance(a.Threads, b.Threads, all, func(s Setting) int { return s.Threads })
	return dw+dt == 1
}

// distance is how many of the values that occur lie between two.
func distance(a, b int, all []Setting, of func(Setting) int) int {
	var values []int
	for _, s := range all {
		values = append(values, of(s))
	}
	slices.Sort(values)
	values = slices.Compact(values)
	return max(slices.Index(values, a), slices.Index(values, b)) - min(slices.Index(values, a), slices.Index(values, b))
}

// why is where the numbers of a setting come from, for the written file.
func (s Setting) why() string {
	if n := s.Slots(); n > 0 {
		return fmt.Sprintf("%d requests at once", n)
	}
	return "as many requests at once as come"
}
