package logs

import (
	"errors"
	"io"
	"sync"
	"sync/atomic"
	"time"
)

const (
	accessLimit = 4 << 20 // bytes that may wait; at 200 bytes a line that is 20,000 requests
	accessBatch = 64 << 10
	accessDelay = 200 * time.Millisecond
)

// AccessOptions says where and how the access log is written.
type AccessOptions struct {
	Target Target
	Format *Format
	Stdout io.Writer   // what "-" means
	Tell   func(error) // called once when the log begins to fail; nil is silent
	Syslog *Syslog     // nil: the file alone; Target.Path may be "" for no file
}

// AccessLog writes a line for each finished request, up to accessDelay late.
// Its methods may be called from any goroutine.
type AccessLog struct {
	stdout io.Writer
	tell   func(error)
	format atomic.Pointer[Format]
	wanted atomic.Bool // somebody gets lines

	file   atomic.Pointer[sink] // nil: there is none
	syslog relay

	seen      func(*AccessRecord)                      // nil: nobody counts requests
	elsewhere atomic.Pointer[func(*AccessRecord) bool] // nil: nobody else wants lines
	changes   sync.Mutex                               // one change of who gets lines at a time
}

// OpenAccess opens the access log.
func OpenAccess(o AccessOptions) (*AccessLog, error) {
	l := &AccessLog{stdout: o.Stdout, tell: o.Tell}
	if l.tell == nil {
		l.tell = func(error) {}
	}
	l.SetFormat(o.Format)
	if err := l.Redirect(o.Target, o.Syslog); err != nil {
		l.Close()
		return nil, err
	}
	return l, nil
}

// Redirect has later lines go elsewhere: to that target, unless it has no path, and to syslog,
// unless it is nil. What cannot be had stays as it was.
func (l *AccessLog) Redirect(t Target, s *Syslog) error {
	l.changes.Lock()
	defer l.changes.Unlock()
	defer l.countLocked()
	return errors.Join(l.redirectFile(t), l.syslog.change(s, l.tell))
}

func (l *AccessLog) redirectFile(t Target) error {
	before := l.file.Load()
	switch {
	case t.Path == "":
		l.file.Store(nil)
		return shut(before)
	case before != nil:
		return before.Redirect(t)
	}
	s, err := newSink(sinkConfig{
		name: "access log", target: t, std: l.stdout, tell: l.tell,
		limit: accessLimit, batch: accessBatch, delay: accessDelay,
	})
	if err == nil {
		l.file.Store(s)
	}
	return err
}

// countLocked notes whether anybody gets lines. It needs changes.
func (l *AccessLog) countLocked() {
	l.wanted.Store(l.file.Load() != nil || l.syslog.to.Load() != nil || l.seen != nil || l.elsewhere.Load() != nil)
}

// Wanted reports whether anybody gets lines, to spare the making of records.
func (l *AccessLog) Wanted() bool { return l != nil && l.wanted.Load() }

// Log adds the line of one request. It keeps nothing of r.
func (l *AccessLog) Log(r *AccessRecord) {
	if l.seen != nil {
		l.seen(r)
	}
	if take := l.elsewhere.Load(); take != nil && (*take)(r) {
		return
	}
	format := l.format.Load()
	if s := l.file.Load(); s != nil {
		s.log(format, r, false)
	}
	if s := l.syslog.to.Load(); s != nil {
		s.log(format, r, true)
	}
}

// log adds the line of one request; with a head it is one of syslog's.
func (s *sink) log(format *Format, r *AccessRecord, head bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	start, room := s.beginLocked()
	if !room {
		return
	}
	if head {
		s.pending = appendSyslogHead(s.pending, Info, r.PID)
	}
	s.pending = append(format.append(s.pending, r, &s.clock), '\n')
	s.endLocked(start)
}

// SetFormat says what lines look like from now on.
func (l *AccessLog) SetFormat(f *Format) { l.format.Store(f) }

// Lost is how many lines were dropped because the medium failed or was too slow.
func (l *AccessLog) Lost() uint64 {
	if s := l.file.Load(); s != nil {
		return s.lost.Load()
	}
	return 0
}

// Reopen opens the file anew, for log rotation (USR1). A failure leaves the old file in use.
func (l *AccessLog) Reopen() error {
	if s := l.file.Load(); s != nil {
		return s.Reopen()
	}
	return nil
}

// Close writes what waits and closes the file. Later lines are dropped and counted.
func (l *AccessLog) Close() error {
	_ = shut(l.syslog.to.Load())
	return shut(l.file.Load())
}

// AccessRecord is one finished request as the log sees it. Byte slices are read, never kept.
type AccessRecord struct {
	Time       time.Time // when the response ended
	Duration   time.Duration
	RemoteAddr []byte // without port
	Method     []byte
	URI        []byte // the request target as it was sent
	Path       []byte // its path, percent-decoded
	Query      []byte
	Proto      []byte // HTTP/1.1
	Status     int
	Sent       int64 // bytes of the body
	PID        int   // the worker's, or the server's own for what no worker answered
	Fields     Fields
}

// Fields finds what a format may name beside the fixed parts. Names are lower-case;
// values are only read during the call of Log. A nil slice means that there is no such field.
type Fields interface {
	RequestHeader(name string) []byte
	ResponseHeader(name string) []byte
	Environ(name string) []byte
	// All are the fields of request and response, and the environ.
	All() (request, response [][2]string, environ map[string]string)
}

// noFields stands for a request whose head was never read whole.
type noFields struct{}

func (noFields) RequestHeader(string) []byte  { return nil }
func (noFields) ResponseHeader(string) []byte { return nil }
func (noFields) Environ(string) []byte        { return nil }
func (noFields) All() (request, response [][2]string, environ map[string]string) {
	return nil, nil, nil
}

// clock keeps the formatted time of the current second: formatting costs more than the rest of a line.
type clock struct {
	second int64
	text   []byte
}

func (c *clock) append(dst []byte, t time.Time) []byte {
	if s := t.Unix(); s != c.second || c.text == nil {
		c.second = s
		c.text = t.Local().AppendFormat(c.text[:0], "[02/Jan/2006:15:04:05 -0700]")
	}
	return append(dst, c.text...)
}
