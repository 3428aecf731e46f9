package arbiter

import (
	"fmt"
	"time"
)

// renew starts the process anew, as at a start, with the configuration that it had.
func (a *Arbiter) renew() {
	if a.process != nil {
		err := a.process.ended()
		a.process = nil
		if a.end.near() {
			a.master.Load().Failed("", fmt.Errorf("the arbiter has ended and is not started anew, since the server ends: %w", err))
			return
		}
		a.master.Load().Failed("", fmt.Errorf("the arbiter has ended and is started anew: %w", err))
		a.pause()
	}
	if a.end.near() {
		return
	}
	p, err := a.start(a.setup.Python, a.setup.Dir)
	if err == nil {
		a.process, a.born = p, time.Now()
		err = a.again()
	}
	if err != nil {
		a.master.Load().Failed("", fmt.Errorf("the arbiter cannot be started anew: %w", err))
		if a.process != nil {
			a.process.kill()
			a.process = nil
		}
	}
}

// again brings a new process to where the one before was.
func (a *Arbiter) again() error {
	if a.loaded.Location != "" {
		if _, err := a.load(a.process, a.loaded, limits{giveUp: a.closing}); err != nil {
			return err
		}
	}
	if _, err := a.configure(a.process, a.setup, a.serial); err != nil {
		return err
	}
	for age, pid := range a.living {
		_ = a.hook(Event{Hook: "started", Age: age, PID: pid})
	}
	for _, e := range []Event{{Hook: "nworkers_changed", Now: a.workers}, {Hook: "on_starting"}, {Hook: "when_ready"}} {
		_ = a.hook(e) // what goes wrong was told
	}
	return nil
}

// steady is how long a process has lived that has not died at its start.
const steady = 5 * time.Second

// pause waits a little before a process that ends again and again is started.
func (a *Arbiter) pause() {
	if time.Since(a.born) > steady {
		a.deaths = 0
		return
	}
	a.deaths++
	select {
	case <-time.After(min(time.Duration(a.deaths)*time.Second, 10*time.Second)):
	case <-a.end.begun:
	}
}
