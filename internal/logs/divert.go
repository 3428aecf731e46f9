package logs

import (
	"bytes"
	"os"
)

// Somebody else may want the lines of a log: Python's logging, where a configuration
// gives it handlers or filters of its own. Until it takes one, or when it can take
// none, the log writes it itself.

// Divert gives each line to take, which reports whether it has taken it; nil: to nobody.
func (l *ErrorLog) Divert(take func(level Level, pid int, text string) bool) {
	if take == nil {
		l.elsewhere.Store(nil)
		return
	}
	l.elsewhere.Store(&take)
}

// Divert gives each request to take, which keeps nothing of it and reports whether it has
// taken it; nil: to nobody.
func (l *AccessLog) Divert(take func(*AccessRecord) bool) {
	l.changes.Lock()
	defer l.changes.Unlock()
	defer l.countLocked()
	if take == nil {
		l.elsewhere.Store(nil)
		return
	}
	l.elsewhere.Store(&take)
}

// Watch tells seen of each line, wherever it goes. It is called before the first line.
func (l *ErrorLog) Watch(seen func(level Level, text string)) { l.seen = seen }

// Watch tells seen of each request. It is called before the first one.
func (l *AccessLog) Watch(seen func(*AccessRecord)) {
	l.changes.Lock()
	defer l.changes.Unlock()
	l.seen = seen
	l.countLocked()
}

// Write adds whole lines as they are: those that came back.
func (l *AccessLog) Write(lines []byte) (int, error) {
	if s := l.file.Load(); s != nil {
		s.Append(func(b []byte) []byte { return append(b, lines...) })
	}
	if s := l.syslog.to.Load(); s != nil {
		for line := range bytes.Lines(lines) {
			s.Append(func(b []byte) []byte { return append(appendSyslogHead(b, Info, os.Getpid()), line...) })
		}
	}
	return len(lines), nil
}
