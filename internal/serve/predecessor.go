package serve

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync/atomic"

	"golang.org/x/sys/unix"

	"girin/internal/config"
	"girin/internal/front"
	"girin/internal/guard"
	"girin/internal/program"
)

// upgradeVariable is what a server that USR2 has started knows itself by: a handover.
const upgradeVariable = "GIRIN_UPGRADE"

// handover says what a server passes on to the one that USR2 has started beside it:
// descriptors 3 and up are a pipe that ends with it, and its sockets.
type handover struct {
	Pipe    uint64   `json:"pipe"`    // its inode: who has it was started so
	Sockets []string `json:"sockets"` // their addresses as they were given; "": the service manager's
	Metrics string   `json:"metrics"` // "": there is none; its socket is the last
}

// predecessor is the server that has started this one; nil: none has.
type predecessor struct {
	handover
	alive *os.File
	gone  atomic.Bool
}

// firstHanded is the descriptor of the pipe; sockets follow.
const firstHanded = 3

// meetPredecessor finds out whether there is one. It comes before this process has
// children, who must not have the descriptors.
func meetPredecessor(env *program.Env) (*predecessor, error) {
	text := env.Getenv(upgradeVariable)
	if text == "" {
		return nil, nil
	}
	p := new(predecessor)
	if err := json.Unmarshal([]byte(text), &p.handover); err != nil {
		return nil, fmt.Errorf("$%s: %w", upgradeVariable, err)
	}
	if pipe, err := inode(firstHanded); err != nil || pipe != p.Pipe {
		return nil, nil // an application has started girin, with its own environment
	}
	for i := range len(p.Sockets) + 2 {
		unix.CloseOnExec(firstHanded + i)
	}
	_ = unix.SetNonblock(firstHanded, true) // so that Close ends a Read
	p.alive = os.NewFile(firstHanded, "the server before")
	return p, nil
}

// inode tells pipes apart.
func inode(fd int) (uint64, error) {
	var s unix.Stat_t
	err := unix.Fstat(fd, &s)
	return uint64(s.Ino), err
}

// here reports whether it still serves beside this server.
func (p *predecessor) here() bool { return p != nil && !p.gone.Load() }

// takeOver listens on what the server before listens on, and opens what it does not.
func (s *server) takeOver() error {
	addresses, err := s.cfg.Addresses()
	if err != nil {
		return err
	}
	wanted := map[string]config.Address{}
	for _, a := range addresses {
		wanted[a.String()] = a
	}
	managed := false
	had := map[string]bool{}
	for i, address := range s.predecessor.Sockets {
		fd := firstHanded + 1 + i
		a, ok := wanted[address]
		if address == "" {
			a, ok, managed = config.Address{Network: "fd"}, true, true
		}
		if !ok {
			unix.Close(fd)
			continue
		}
		l, err := front.TakeOver(fd, a.Network, a.Addr)
		if err != nil {
			return fmt.Errorf("bind %s: %w", address, err)
		}
		s.sockets.add(l, address)
		had[address] = true
	}
	if s.inherited = managed; managed {
		return nil
	}
	for _, a := range addresses {
		if had[a.String()] {
			continue
		}
		if _, err := s.bind(a, s.cfg); err != nil {
			return err
		}
	}
	return nil
}

// takeOverMetrics is the listener of metrics that the server before has at that address;
// nil: it has none.
func (s *server) takeOverMetrics(a config.Address) (net.Listener, error) {
	p := s.predecessor
	if !p.here() || p.Metrics == "" {
		return nil, nil
	}
	fd := firstHanded + 1 + len(p.Sockets)
	if p.Metrics != s.cfg.Metrics {
		unix.Close(fd)
		return nil, nil
	}
	return front.TakeOver(fd, a.Network, a.Addr)
}

// succeed makes this server the only one when the one before has ended.
func (s *server) succeed() (stop func(), err error) {
	if !s.predecessor.here() {
		return func() {}, nil
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		s.guard.Keep(guard.Part{Name: "the server before", Run: s.awaitPredecessor})
	}()
	return func() { s.predecessor.alive.Close(); <-done }, nil
}

func (s *server) awaitPredecessor() {
	p := s.predecessor
	if _, err := p.alive.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
		return // this server ends
	}
	p.gone.Store(true)
	s.share(false)
	s.log.Infof("Master has been promoted.")
	if err := s.promotePID(); err != nil {
		s.log.Errorf("%v", err)
	}
}
