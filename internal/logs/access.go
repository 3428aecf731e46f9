package logs

import (
	"io"
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
	Syslog *Syslog     // nil: the file alone; with it Target.Path may be "" for no file
}

// AccessLog writes a line for each finished request, up to accessDelay late.
// Its methods may be called from any goroutine.
type AccessLog struct {
	format *Format // guarded by sink.mu
	sink   *sink
	clock  clock      // guarded by sink.mu
	syslog bool       // sink is that of syslog
	next   *AccessLog // gets each line as well; nil: none

	seen      func(*AccessRecord)                      // nil: nobody counts requests
	elsewhere atomic.Pointer[func(*AccessRecord) bool] // nil: nobody else wants lines
}

// OpenAccess opens the access log.
func OpenAccess(o AccessOptions) (*AccessLog, error) {
	tell := o.Tell
	if tell == nil {
		tell = func(error) {}
	}
	var l *AccessLog
	if o.Syslog != nil {
		s, err := o.Syslog.open(tell)
		if err != nil {
			return nil, err
		}
		l = &AccessLog{format: o.Format, sink: s, syslog: true}
	}
	switch {
	case o.Target.Path != "":
	case l != nil:
		return l, nil
	default:
		return &AccessLog{format: o.Format}, nil // others may want its lines
	}
	s, err := newSink(sinkConfig{
		name: "access log", target: o.Target, std: o.Stdout, tell: tell,
		limit: accessLimit, batch: accessBatch, delay: accessDelay,
	})
	if err != nil {
		return nil, err
	}
	return &AccessLog{format: o.Format, sink: s, next: l}, nil
}

// Log adds the line of one request. It keeps nothing of r.
func (l *AccessLog) Log(r *AccessRecord) {
	if l.seen != nil {
		l.seen(r)
	}
	if take := l.elsewhere.Load(); take != nil && (*take)(r) || l.sink == nil {
		return
	}
	l.log(r)
	if l.next != nil {
		l.next.log(r)
	}
}

func (l *AccessLog) log(r *AccessRecord) {
	s := l.sink
	s.mu.Lock()
	defer s.mu.Unlock()
	start, room := s.beginLocked()
	if !room {
		return
	}
	if l.syslog {
		s.pending = appendSyslogHead(s.pending, Info, r.PID)
	}
	s.pending = append(l.format.append(s.pending, r, &l.clock), '\n')
	s.endLocked(start)
}

// SetFormat says what lines look like from now on.
func (l *AccessLog) SetFormat(f *Format) {
	for ; l != nil && l.sink != nil; l = l.next {
		l.sink.mu.Lock()
		l.format = f
		l.sink.mu.Unlock()
	}
}

// Lost is how many lines were dropped because the medium failed or was too slow.
func (l *AccessLog) Lost() uint64 {
	if l.sink == nil {
		return 0
	}
	return l.sink.lost.Load()
}

// Reopen opens the file anew, for log rotation (USR1). A failure leaves the old file in use.
func (l *AccessLog) Reopen() error {
	if l.sink == nil {
		return nil
	}
	return l.sink.Reopen()
}

// Close writes what waits and closes the file. Later lines are dropped and counted.
func (l *AccessLog) Close() error {
	if l.next != nil {
		_ = l.next.Close()
	}
	if l.sink == nil {
		return nil
	}
	return l.sink.Close()
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
