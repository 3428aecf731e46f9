package arbiter

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"time"

	"girin/internal/wire"
	"girin/internal/worker"
)

// File is a configuration file to run. Without a Location nothing runs.
type File struct {
	Python   string // the interpreter
	Dir      string // where it runs
	Location string // absolute path, or python:MODULE
	Keys     []string
}

// Setup is what the settings of a configuration file came to.
type Setup struct {
	Python   string
	Dir      string
	Settings worker.Settings
	// FromFile are settings that take effect as the file's own objects.
	FromFile  []string
	Listeners []Listener
	User      *User    // whom the process becomes; nil: nobody else
	Out, Err  *os.File // its standard output and error from now on; nil: as they were
	In        *os.File // with these, its standard input; nil: as it was
	TLS       bool     // the hook ssl_context is to be run
}

// Configured is what came of a Setup.
type Configured struct {
	Serial int
	TLS    *TLS   // nil: nobody asked
	NoTLS  string // why ssl_context has made none, at a reload
}

// TLS is what the context comes to that the hook ssl_context has made.
type TLS struct {
	Minimum     uint16   `json:"minimum"` // versions, as in handshakes
	Maximum     uint16   `json:"maximum"`
	Tickets     bool     `json:"tickets"`
	Verify      int      `json:"verify"`      // as ssl.VerifyMode
	Authorities [][]byte `json:"authorities"` // DER; nil: those of ca_certs
	Ciphers     []string `json:"ciphers"`     // of TLS 1.2; nil: those of ciphers
	Protocols   []string `json:"protocols"`   // of ALPN; nil: those of http_protocols
	CertFile    string   `json:"certfile"`    // "": that of certfile, and of keyfile
	KeyFile     string   `json:"keyfile"`
	Warnings    []string `json:"warnings"` // of what it sets without effect
}

// Listener is a socket that the server listens on: its address as Python has it.
type Listener struct {
	Address any // [host, port] or a path
	URL     string
}

// MarshalJSON writes a pair.
func (l Listener) MarshalJSON() ([]byte, error) { return json.Marshal([]any{l.Address, l.URL}) }

// User is whom a process that root has started becomes.
type User struct {
	UID    int   `json:"uid"`
	GID    int   `json:"gid"`
	Groups []int `json:"groups"`
}

// Load runs the file and returns its settings by name, each as [sort, value],
// and the names of other plain variables. It is not in effect before Configure.
func (a *Arbiter) Load(ctx context.Context, f File) (values json.RawMessage, others []string, err error) {
	said, err := ask(ctx, a, func() (answer, error) {
		p, err := a.interpreter(f.Python, f.Dir)
		if err != nil {
			return answer{}, err
		}
		a.loads++
		said, err := a.load(p, f, a.unwanted(ctx, p))
		if err != nil {
			a.dropDead(p)
		}
		return said, err
	})
	return said.Values, said.Others, err
}

// fileLimit is how long a configuration file may take.
const fileLimit = 30 * time.Second

// unwanted are the limits of a file that nobody wants any longer once ctx has ended. In a
// process that is in use it is interrupted, as the hooks of the server's end are to run there.
func (a *Arbiter) unwanted(ctx context.Context, p *process) limits {
	if p == a.process && a.setup != nil {
		return limits{interrupt: ctx.Done(), giveUp: a.closing}
	}
	return limits{giveUp: ctx.Done()}
}

func (a *Arbiter) load(p *process, f File, l limits) (answer, error) {
	message := map[string]any{"op": "load", "location": f.Location, "dir": f.Dir, "keys": f.Keys, "argv": a.cfg.Argv}
	p.ran = a.loads
	l.patience, l.end = fileLimit, &a.end
	said, err := p.exchange(message, nil, l)
	if errors.Is(err, errEnded) && p.hasEnded() && p.proc.ExitCode() >= 0 {
		err = &Exit{Status: p.proc.ExitCode(), Text: err.Error()} // os._exit
	}
	return said, err
}

// interpreter returns the process that is to run a file: the one there is, unless it runs
// another interpreter or has ended.
func (a *Arbiter) interpreter(python, dir string) (*process, error) {
	for _, p := range []*process{a.next, a.process} {
		if p == nil || p.python != python {
			continue
		}
		select {
		case <-p.proc.Done():
			a.dropDead(p)
		default:
			return p, nil
		}
	}
	if a.next != nil {
		a.next.close(closeLimit, a.closing)
		a.next = nil
	}
	p, err := a.start(python, dir)
	if err != nil {
		return nil, err
	}
	if a.process == nil {
		a.process = p
	} else {
		a.next = p
	}
	return p, nil
}

// dropDead forgets a process that has ended.
func (a *Arbiter) dropDead(p *process) {
	if !p.hasEnded() {
		return
	}
	p.part()
	if a.next == p {
		a.next = nil
	}
	if a.process == p && a.setup == nil {
		a.process = nil
	}
}

// Configure makes the settings take effect that the last run of the file has led to.
func (a *Arbiter) Configure(ctx context.Context, f File, s Setup) (Configured, error) {
	return ask(ctx, a, func() (Configured, error) {
		p, err := a.interpreter(s.Python, s.Dir)
		if err != nil {
			return Configured{}, err
		}
		if f.Location != "" && p.ran != a.loads { // it ran in another interpreter
			if _, err := a.load(p, f, a.unwanted(ctx, p)); err != nil {
				a.dropDead(p)
				return Configured{}, err
			}
		}
		made, err := a.configure(p, &s, a.serial+1)
		if err != nil {
			a.dropDead(p)
			return Configured{}, err
		}
		s.TLS = false // a process that is started anew may not read the key
		if p == a.next {
			a.process.close(closeLimit, a.closing)
			a.process, a.next = p, nil
		}
		a.serial++
		a.setup, a.loaded = &s, f
		return Configured{a.serial, made.TLS, made.NoTLS}, nil
	})
}

func (a *Arbiter) configure(p *process, s *Setup, serial int) (answer, error) {
	s.Settings.Version = wire.Version
	message := map[string]any{
		"op": "configure", "serial": serial, "settings": s.Settings, "from_file": s.FromFile, "listeners": s.Listeners, "user": s.User, "tls": s.TLS,
	}
	var files []*os.File
	if s.Out != nil {
		files = append(files, s.Out, s.Err)
		if s.In != nil {
			files = append(files, s.In)
		}
	}
	said, err := p.exchange(message, files, limits{patience: fileLimit, giveUp: a.closing, end: &a.end})
	if err != nil {
		return said, err
	}
	a.follow(p, said)
	return said, nil
}

// ScriptName is $SCRIPT_NAME of the process as it was after the last hook of the master's.
func (a *Arbiter) ScriptName() string {
	if mount := a.mount.Load(); mount != nil {
		return *mount
	}
	return ""
}

// Facts are what an operator is told of the process: its id, and what it has to itself, in
// bytes. Zeros: none runs.
func (a *Arbiter) Facts(ctx context.Context) (pid int, memory int64) {
	_ = a.wait(ctx, func() error {
		if a.process != nil {
			pid, memory = a.process.proc.PID(), a.process.proc.Memory()
		}
		return nil
	})
	return pid, memory
}

// Check imports the application, as a worker would.
func (a *Arbiter) Check(ctx context.Context) error {
	return a.wait(ctx, func() error {
		_, err := a.tell(map[string]any{"op": "check"}, limits{})
		return err
	})
}
