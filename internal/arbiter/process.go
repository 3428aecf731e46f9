package arbiter

import (
	"bufio"
	"errors"
	"fmt"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"girin/internal/proc"
	"girin/internal/wire"
	"girin/internal/worker"
)

// process is one Python process; Arbiter renews it.
type process struct {
	python    string
	proc      *proc.Process
	conn      *net.UnixConn
	answers   chan answer // closed when it has closed the channel
	interrupt syscall.Signal
	logs      *net.UnixConn // nil: it gets no lines to log
	logged    chan struct{} // closed when none are sent any more
	logging   atomic.Bool
	ran       int // the run of a file that was the last here, by Arbiter.loads
}

// Exit is the error of code that has ended the program it ran in, as sys.exit does.
type Exit struct {
	Status int
	Text   string
}

func (e *Exit) Error() string { return e.Text }

// ExitStatus is that of the program.
func (e *Exit) ExitStatus() int { return e.Status }

// errEnded is the error of an exchange with a process that has ended meanwhile.
var errEnded = errors.New("the process has ended")

// shimFile is wire.ShimFD as an index of Spec.Files.
const shimFile = wire.ShimFD - 3

// start starts a process, which has run nothing yet. What a file prints is no answer of a
// command: it goes to standard error.
func (a *Arbiter) start(python, dir string) (*process, error) {
	p, err := a.spawn(python, dir)
	if err != nil {
		return nil, err
	}
	return p, a.greet(p)
}

func (a *Arbiter) spawn(python, dir string) (*process, error) {
	ours, theirs, err := worker.StreamPair()
	if err != nil {
		return nil, err
	}
	defer theirs.Close()
	shim, err := worker.SealedFile("girin-shim", a.cfg.Shim)
	if err != nil {
		ours.Close()
		return nil, err
	}
	defer shim.Close()
	files := make([]*os.File, shimFile+1)
	files[0], files[shimFile] = theirs, shim
	p := &process{python: python, conn: ours, answers: make(chan answer)}
	p.proc, err = a.cfg.Starter.Start(proc.Spec{Path: python, Args: a.cfg.Args, Env: a.cfg.Env, Dir: dir, Files: files, Out: os.Stderr})
	if err != nil {
		ours.Close()
		return nil, err
	}
	go p.read(a)
	return p, nil
}

// greet takes the first message of a process.
func (a *Arbiter) greet(p *process) error {
	select {
	case said, ok := <-p.answers:
		if !ok {
			return p.ended()
		}
		p.interrupt = syscall.Signal(said.Interrupt)
		return nil
	case <-time.After(fileLimit):
		p.kill()
		return fmt.Errorf("the interpreter was not ready within %v", fileLimit)
	case <-a.closing:
		p.kill()
		return errEnded
	}
}

// read passes on what the process says until it ends.
func (p *process) read(a *Arbiter) {
	defer close(p.answers)
	r := bufio.NewReader(p.conn)
	for {
		var said answer
		err := receive(r, &said)
		switch {
		case err != nil:
			return
		case said.Log != nil:
			a.master.Load().Log(said.Level, said.PID, *said.Log)
		case said.Scale != nil:
			a.scale(*said.Scale)
		default:
			p.answers <- said
		}
	}
}

// limits bound an exchange. Zero: there is no bound.
type limits struct {
	patience  time.Duration   // after it the hook is interrupted, if it keeps others waiting
	waiting   func() bool     // does it? nil: always
	interrupt <-chan struct{} // it is interrupted at once; if it goes on all the same, that is for others to wait
	giveUp    <-chan struct{} // nothing is waited for
	end       *end            // of the server, which leaves less time; nil: there is enough
}

// within is how long something may take that has a limit of its own. While the server
// ends that is half of what is left, so that what comes behind it has its turn as well.
func (l *limits) within(limit time.Duration) time.Duration {
	if l.end == nil || !l.end.near() {
		return limit
	}
	return min(limit, max(time.Until(l.end.last)/2, shortest))
}

// nears is closed when the server begins to end; nil: it did already, or that is nothing here.
func (l *limits) nears() <-chan struct{} {
	if l.end == nil || l.end.near() {
		return nil
	}
	return l.end.begun
}

// end is that of the server.
type end struct {
	once  sync.Once
	begun chan struct{}
	last  time.Time // set before begun is closed: by when all must be done
}

func (e *end) near() bool {
	select {
	case <-e.begun:
		return true
	default:
		return false
	}
}

// endLimit is how long a hook may go on after it was interrupted: code in C may
// not hear of a signal.
const endLimit = 2 * time.Second

// interruptAgain is when it is interrupted again: it may not have begun when it was.
const interruptAgain = 50 * time.Millisecond

// lookEvery is how often a hook that has run too long is looked at.
const lookEvery = time.Second

// shortest is the least time that anything has while the server ends.
const shortest = 50 * time.Millisecond

// exchange sends a message and waits for its answer.
func (p *process) exchange(message any, files []*os.File, l limits) (answer, error) {
	if err := send(p.conn, message, files); err != nil {
		return answer{}, p.ended()
	}
	late := time.NewTimer(time.Hour)
	defer late.Stop()
	due := time.Now().Add(time.Hour)
	within := func(limit time.Duration) {
		due = time.Now().Add(l.within(limit))
		late.Reset(time.Until(due))
	}
	nears := l.nears()
	if l.patience > 0 {
		within(l.patience)
	} else {
		late.Stop()
		nears = nil
	}
	interrupted, dead := false, p.proc.Done()
	var again <-chan time.Time
	interrupt := func() {
		_ = p.proc.Signal(p.interrupt)
		again = time.After(interruptAgain)
	}
	for {
		select {
		case <-nears:
			nears = nil
			within(time.Until(due))
		case <-dead:
			dead = nil
			p.hurry()
		case said, ok := <-p.answers:
			switch {
			case !ok:
				return answer{}, p.ended()
			case !said.Done && said.Status != nil:
				return said, &Exit{Status: *said.Status, Text: said.Failed}
			case !said.Done:
				return said, errors.New(said.Failed)
			}
			return said, nil
		case <-l.giveUp:
			p.kill()
			return answer{}, errEnded
		case <-l.interrupt:
			l.interrupt = nil
			interrupt()
		case <-again:
			interrupt()
		case <-late.C:
			switch {
			case interrupted:
				p.kill()
				return answer{}, fmt.Errorf("it has run for more than %v and heard no signal: %w", l.patience, errEnded)
			case l.waiting != nil && !l.waiting():
				within(lookEvery)
			default:
				interrupted = true
				within(endLimit)
				interrupt()
			}
		}
	}
}

func (p *process) hasEnded() bool {
	select {
	case <-p.proc.Done():
		return true
	default:
		return false
	}
}

// ended waits for the end of a process that cannot be talked to, and says how it ended.
func (p *process) ended() error {
	p.proc.Stop(time.Second)
	p.part()
	if err := p.proc.Err(); err != nil {
		return fmt.Errorf("%w (%w)", errEnded, err)
	}
	return errEnded
}

func (p *process) kill() {
	p.proc.Kill()
	<-p.proc.Done()
	p.part()
}

// part takes the last of what a process has said that has ended. Another that it forked
// without Python's knowing may hold the channel, and is not waited for.
func (p *process) part() {
	p.hurry()
	p.drain()
	p.conn.Close()
}

// hurry bounds the time in which more can come from a process that has ended.
func (p *process) hurry() { _ = p.conn.SetReadDeadline(time.Now().Add(partLimit)) }

const partLimit = 500 * time.Millisecond

// close lets the process end as any program does, until giveUp is closed.
func (p *process) close(grace time.Duration, giveUp <-chan struct{}) {
	_ = p.conn.CloseWrite()
	done := make(chan struct{})
	go func() { defer close(done); p.drain() }()
	late := time.NewTimer(grace)
	defer late.Stop()
	select {
	case <-p.proc.Done():
	case <-late.C:
	case <-giveUp:
	}
	p.proc.Kill()
	<-p.proc.Done()
	p.conn.Close()
	<-done
}

// drain takes what nobody waits for, until the reader has ended.
func (p *process) drain() {
	for range p.answers {
	}
	if p.logs != nil {
		<-p.proc.Done()
		p.logs.Close()
		<-p.logged
	}
}
