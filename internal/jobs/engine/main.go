package engine

import (
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"runtime/debug"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"golang.org/x/sys/unix"
)

// Main is the engine's process. It returns the exit status.
func Main(stderr io.Writer) int {
	// A service manager sends its signal to all processes; the engine is needed until the
	// server has ended, and ends with it.
	signal.Ignore(syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP)
	debug.SetGCPercent(heapGrowth)
	in, out := os.NewFile(settingsFD, "settings"), os.NewFile(startedFD, "started")
	if err := run(in, out, stderr); err != nil {
		fmt.Fprintf(stderr, "%v\n", err)
		return 1
	}
	return 0
}

// heapGrowth is how much, in percent, the heap grows between collections. What the engine
// holds is small, and what it makes of each message is garbage at once: with Go's 100 the
// process keeps twice as much as it needs.
const heapGrowth = 50

// startLimit is how long the engine may take to read what it has stored.
const startLimit = 2 * time.Minute

// run serves until in ends, or something is wrong that a new process may mend.
func run(in io.Reader, out io.WriteCloser, stderr io.Writer) error {
	var settings Settings
	messages := json.NewDecoder(in)
	if err := messages.Decode(&settings); err != nil {
		return fmt.Errorf("it is started by girin itself, where --offload asks for it: %w", err)
	}
	lock, err := lockDir(settings.Dir)
	if err != nil {
		return err
	}
	defer lock.Close()
	log := &natsLog{to: stderr, wedged: make(chan struct{})}
	s, err := start(settings, log)
	if err != nil {
		return err
	}
	defer func() {
		s.Shutdown()
		s.WaitForShutdown()
	}()
	if err := json.NewEncoder(out).Encode(Started{Addr: s.Addr().String()}); err != nil {
		return err
	}
	out.Close()
	ended := make(chan struct{})
	go func() { // ends with the process: nothing else waits for the master's end
		_, _ = io.Copy(io.Discard, in)
		close(ended)
	}()
	select {
	case <-ended:
		return nil
	case <-log.wedged:
		return errors.New("a stream could not be written: the engine starts again")
	}
}

func start(settings Settings, log *natsLog) (*server.Server, error) {
	options, err := optionsOf(settings)
	if err != nil {
		return nil, err
	}
	s, err := server.NewServer(options)
	if err != nil {
		return nil, err
	}
	s.SetLoggerV2(log, false, false, false)
	s.Start()
	ready := make(chan bool, 1)
	go func() { ready <- s.ReadyForConnections(startLimit) }() // where it does not come the process ends
	select {
	case is := <-ready:
		if is && s.JetStreamEnabled() {
			return s, nil
		}
	case <-log.wedged:
		s.Shutdown()
		return nil, errors.New("it cannot start") // as was said: another has its port
	}
	s.Shutdown()
	return nil, fmt.Errorf("JetStream does not start in %s", settings.Dir)
}

// lockDir keeps others out of the directory. An engine before this one may be about to end.
func lockDir(dir string) (*os.File, error) {
	f, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	for late := time.Now().Add(lockLimit); ; time.Sleep(lockEvery) {
		if err = unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err == nil {
			return f, nil
		}
		if time.Now().After(late) {
			f.Close()
			return nil, fmt.Errorf("another server has its jobs in %s: give this one an --offload-dir of its own, or --offload-connect", dir)
		}
	}
}

const (
	lockLimit = 5 * time.Second
	lockEvery = 50 * time.Millisecond
)

// memoryMost is what the queue of waiting clients may hold.
const memoryMost = 256 << 20

func optionsOf(settings Settings) (*server.Options, error) {
	host, port, err := net.SplitHostPort(settings.Listen)
	if err != nil {
		return nil, err
	}
	number, err := strconv.Atoi(port)
	if err != nil {
		return nil, err
	}
	if number == 0 {
		number = server.RANDOM_PORT
	}
	o := &server.Options{
		ServerName: "girin-" + filepath.Base(settings.Dir), Host: host, Port: number, NoSigs: true,
		JetStream: true, StoreDir: settings.Dir, SyncAlways: true, DisableJetStreamBanner: true,
		JetStreamMaxMemory: memoryMost, JetStreamMaxStore: settings.MaxStore,
	}
	for _, key := range settings.Keys {
		o.Nkeys = append(o.Nkeys, &server.NkeyUser{Nkey: key})
	}
	if settings.CertFile != "" {
		cert, err := tls.LoadX509KeyPair(settings.CertFile, settings.KeyFile)
		if err != nil {
			return nil, err
		}
		o.TLSConfig = &tls.Config{Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS12}
		o.TLSTimeout = 10
	}
	if settings.Cluster != nil {
		return o, join(o, settings)
	}
	return o, nil
}

// natsLog passes on what the server warns of, and knows what it does not recover from: a
// stream that met a full disk stays as it is until the server is started again.
type natsLog struct {
	mu     sync.Mutex // guards to, said and reads
	to     io.Writer
	said   repeats
	reads  bool      // it was said that what is stored is looked through
	once   sync.Once // closes wedged
	wedged chan struct{}
}

func (l *natsLog) write(format string, args ...any) {
	line := fmt.Sprintf(format, args...)
	l.mu.Lock()
	isOld := isOutdated(line)
	if isOld {
		line = "What is stored is looked through, since the engine before did not end by itself"
	}
	if more, ok := l.said.again(line, time.Now()); ok && !(isOld && l.reads) {
		fmt.Fprintln(l.to, line+more)
	}
	l.reads = l.reads || isOld
	l.mu.Unlock()
	if isWedged(line) {
		l.once.Do(func() { close(l.wedged) })
	}
}

// isWedged reports whether a line says that something will not be written any more. Lines about a
// connection begin with its address, and have in them what anybody has sent.
func isWedged(line string) bool {
	return strings.HasPrefix(line, "JetStream ") && (strings.Contains(line, "critical write error") || strings.Contains(line, "will be DISABLED"))
}

// isOutdated reports whether a line says that an index is older than what it is of, as after each
// death: there are several of each stream, and they say nothing to a person. Nothing is lost.
func isOutdated(line string) bool {
	return strings.HasPrefix(line, "Filestore [") && (strings.Contains(line, "outdated") || strings.Contains(line, "prior state"))
}

func (l *natsLog) Noticef(string, ...any)            {}
func (l *natsLog) Debugf(string, ...any)             {}
func (l *natsLog) Tracef(string, ...any)             {}
func (l *natsLog) Warnf(format string, args ...any)  { l.write(format, args...) }
func (l *natsLog) Errorf(format string, args ...any) { l.write(format, args...) }
func (l *natsLog) Fatalf(format string, args ...any) {
	l.write(format, args...)
	l.once.Do(func() { close(l.wedged) })
}
