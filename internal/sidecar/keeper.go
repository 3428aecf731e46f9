package sidecar

import (
	"fmt"
	"strings"
	"sync"
	"time"
)

// Status is what is known of one command.
type Status struct {
	Name    string    `json:"name"`
	Command string    `json:"command"`
	State   string    `json:"state"`          // starting, running, waiting (until it is started again), ending
	PID     int       `json:"pid"`            // 0: it does not run
	Since   time.Time `json:"since"`          // of the state
	Starts  int       `json:"starts"`         // of all of its name so far
	Last    string    `json:"last,omitempty"` // how it ended the last time
}

// keeper keeps one command running.
//
//	starting ──▶ running ──▶ waiting ──▶ starting
//	    └───────────┴── end ────┴──────▶ ending ──▶ done
type keeper struct {
	cfg     Config
	command Command
	ending  chan struct{} // closed by whoever ends it
	killed  chan struct{} // closed by kill
	once    sync.Once     // of killed
	done    chan struct{} // closed when run has returned

	mu     sync.Mutex
	status Status // guarded by mu
}

func newKeeper(cfg Config, c Command) *keeper {
	return &keeper{
		cfg: cfg, command: c, ending: make(chan struct{}), killed: make(chan struct{}), done: make(chan struct{}),
		status: Status{Name: c.Name, Command: strings.Join(c.Args, " "), State: "starting", Since: time.Now()},
	}
}

// steady is how long a command has to run for its end to be none of a row.
const steady = 10 * time.Second

func (k *keeper) run() {
	defer close(k.done)
	for quick := 0; ; {
		began := time.Now()
		how := k.runOnce()
		if k.ends() {
			return
		}
		lived := time.Since(began)
		if lived >= steady {
			quick = 0
		}
		pause := k.cfg.Pauses[min(quick, len(k.cfg.Pauses)-1)]
		quick++
		k.cfg.Log.Errorf("Sidecar %s %s after %s; it is started again in %s", k.command.Name, how, short(lived), short(pause))
		k.change(func(s *Status) { s.State, s.PID, s.Last = "waiting", 0, how })
		wait := time.NewTimer(pause)
		select {
		case <-wait.C:
		case <-k.ending:
			wait.Stop()
			return
		}
	}
}

// runOnce runs the command to its end, its own or the keeper's, and returns how it ended.
func (k *keeper) runOnce() (how string) {
	k.change(func(s *Status) { s.State = "starting"; s.Starts++ })
	r, err := k.start()
	if err != nil {
		return fmt.Sprintf("could not be started (%v)", err)
	}
	select {
	case <-r.ended:
	case <-k.ending:
		k.change(func(s *Status) { s.State = "ending" })
		r.terminate()
		select {
		case <-r.ended:
		case <-k.killed:
			k.cfg.Log.Warningf("Sidecar %s has not ended in time: it is killed", k.command.Name)
			r.kill()
		}
	}
	how = r.close()
	if k.ends() {
		k.cfg.Log.Infof("Sidecar %s %s", k.command.Name, how)
	}
	return how
}

func (k *keeper) ends() bool {
	select {
	case <-k.ending:
		return true
	default:
		return false
	}
}

func (k *keeper) kill() { k.once.Do(func() { close(k.killed) }) }

// change changes the status.
func (k *keeper) change(how func(*Status)) {
	k.mu.Lock()
	defer k.mu.Unlock()
	before := k.status.State
	how(&k.status)
	if k.status.State != before {
		k.status.Since = time.Now()
	}
}

func (k *keeper) now() Status {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.status
}

// short is a duration as people read it.
func short(d time.Duration) string {
	if d < 10*time.Second {
		return d.Round(10 * time.Millisecond).String()
	}
	return d.Round(time.Second).String()
}
