package serve

import (
	"fmt"
	"net"
	"strings"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"
)

// manager is the service manager, which is told how the server does (sd_notify(3)).
// A nil one hears nothing. It is told from a goroutine of its own: one that does
// not read makes nobody wait.
type manager struct {
	socket string
	states chan string
	done   chan struct{}
	failed func(error)
}

// notifyLimit is how long the service manager may take to read a message, and
// waitingStates how many may wait for that.
const (
	notifyLimit   = time.Second
	waitingStates = 64
)

// meetManager finds out whether there is a service manager that wants to be told.
func (s *server) meetManager() (stop func(), err error) {
	socket := s.env.Getenv("NOTIFY_SOCKET")
	if socket == "" {
		return func() {}, nil
	}
	m := &manager{
		socket: socket, states: make(chan string, waitingStates), done: make(chan struct{}),
		failed: func(err error) { s.log.Warningf("the service manager cannot be told: %v", err) },
	}
	s.manager = m
	go func() {
		defer close(m.done)
		for state := range m.states {
			if err := m.send(state); err != nil {
				m.failed(err)
			}
		}
	}()
	return func() {
		close(m.states)
		select {
		case <-m.done:
		case <-s.ending.now.Done():
		}
	}, nil
}

func (m *manager) send(state string) error {
	c, err := net.DialUnix("unixgram", nil, &net.UnixAddr{Name: m.socket, Net: "unixgram"})
	if err != nil {
		return err
	}
	defer c.Close()
	_ = c.SetWriteDeadline(time.Now().Add(notifyLimit))
	_, err = c.Write([]byte(state))
	return err
}

// tell passes on what is to be said; what there is no room for is lost.
func (m *manager) tell(states ...string) {
	if m == nil {
		return
	}
	select {
	case m.states <- strings.Join(states, "\n"):
	default:
	}
}

// served tells that the server serves.
func (s *server) served() {
	s.announced = true
	s.manager.tell(daemon.SdNotifyReady, "STATUS=Serves at "+strings.Join(s.urls(), " "))
}

// reloading tells that new workers are on their way.
func (s *server) reloading() {
	s.manager.tell(daemon.SdNotifyReloading, daemon.SdNotifyMonotonicUsec())
}

// reloadEnded tells that a reload has ended, well or not: the server serves.
// Like served it is called by the supervisor.
func (s *server) reloadEnded() {
	if s.announced {
		s.manager.tell(daemon.SdNotifyReady)
	}
}

// tellEnd tells of a signal that ends the server.
func (s *server) tellEnd() {
	if p := s.successor.Load(); p != nil {
		s.manager.tell(fmt.Sprintf("MAINPID=%d", p.PID())) // what goes on is the service
		return
	}
	s.manager.tell(daemon.SdNotifyStopping, "STATUS=Ends, running requests first")
}
