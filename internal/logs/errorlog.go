package logs

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"sync/atomic"
	"time"
)

// errorLimit is how many bytes of lines may wait for a medium that does not take them.
const errorLimit = 1 << 20

// ErrorOptions says where and how the error log is written.
type ErrorOptions struct {
	Target Target
	Level  Level            // lines of lesser weight are dropped
	Stderr io.Writer        // what "-" means, and where a failing log file is reported
	Now    func() time.Time // nil is time.Now
	Syslog *Syslog          // nil: the file alone
}

// ErrorLog writes lines such as
//
//	[2026-11-21 02:11:00 +0000] [4242] [INFO] text
//
// Its methods may be called from any goroutine.
type ErrorLog struct {
	level atomic.Int32 // a Level
	pid   int
	now   func() time.Time
	sink  *sink

	syslog relay

	seen      func(level Level, text string)                               // nil: nobody counts lines
	elsewhere atomic.Pointer[func(level Level, pid int, text string) bool] // nil: nobody else wants lines
}

// OpenError opens the error log.
func OpenError(o ErrorOptions) (*ErrorLog, error) {
	l := &ErrorLog{pid: os.Getpid(), now: o.Now}
	l.SetLevel(o.Level)
	if l.now == nil {
		l.now = time.Now
	}
	var err error
	l.sink, err = newSink(sinkConfig{
		name: "error log", target: o.Target, std: o.Stderr, limit: errorLimit, oneEach: true, mute: true,
		tell: func(err error) { fmt.Fprintf(o.Stderr, "girin: %v\n", err) },
	})
	if err != nil {
		return nil, err
	}
	return l, l.syslog.change(o.Syslog, l.tellFile)
}

// tellFile writes what is wrong with syslog to the file alone.
func (l *ErrorLog) tellFile(err error) { l.line(Error, l.pid, err.Error()) }

// Redirect has later lines go elsewhere: to that target, and to syslog unless it is nil. What
// cannot be had stays as it was. It is not called by two goroutines at once.
func (l *ErrorLog) Redirect(t Target, s *Syslog) error {
	return errors.Join(l.sink.Redirect(t), l.syslog.change(s, l.tellFile))
}

// Enabled reports whether lines of this weight are kept, to spare the making of costly ones.
func (l *ErrorLog) Enabled(level Level) bool { return int32(level) >= l.level.Load() }

// SetLevel says which lines are kept from now on.
func (l *ErrorLog) SetLevel(level Level) { l.level.Store(int32(level)) }

// Debugf logs what only a developer of the server or its user's settings wants to see.
func (l *ErrorLog) Debugf(format string, args ...any) { l.logf(Debug, format, args) }

// Infof logs what happens in normal service.
func (l *ErrorLog) Infof(format string, args ...any) { l.logf(Info, format, args) }

// Warningf logs what works, but not as it should.
func (l *ErrorLog) Warningf(format string, args ...any) { l.logf(Warning, format, args) }

// Errorf logs what failed.
func (l *ErrorLog) Errorf(format string, args ...any) { l.logf(Error, format, args) }

// Criticalf logs what ends a worker or the server.
func (l *ErrorLog) Criticalf(format string, args ...any) { l.logf(Critical, format, args) }

func (l *ErrorLog) logf(level Level, format string, args []any) {
	if l.Enabled(level) {
		l.Log(level, l.pid, fmt.Sprintf(format, args...))
	}
}

// Log writes a line in the name of process pid. Text of several lines stays one record.
func (l *ErrorLog) Log(level Level, pid int, text string) {
	if !l.Enabled(level) {
		return
	}
	if l.seen != nil {
		l.seen(level, text)
	}
	if take := l.elsewhere.Load(); take == nil || !(*take)(level, pid, text) {
		l.Here(level, pid, text)
	}
}

// Here writes a line that nobody else is to get.
func (l *ErrorLog) Here(level Level, pid int, text string) {
	if !l.Enabled(level) {
		return
	}
	l.line(level, pid, text)
	if syslog := l.syslog.to.Load(); syslog != nil {
		syslog.Append(func(b []byte) []byte {
			return append(appendSyslogHead(b, level, pid), text...)
		})
	}
}

// line writes a line to the file.
func (l *ErrorLog) line(level Level, pid int, text string) {
	now := l.now()
	l.sink.Append(func(b []byte) []byte {
		b = now.AppendFormat(b, "[2006-01-02 15:04:05 -0700] [")
		b = strconv.AppendInt(b, int64(pid), 10)
		b = append(b, "] ["...)
		b = append(b, level.String()...)
		b = append(b, "] "...)
		b = append(b, text...)
		if len(text) == 0 || text[len(text)-1] != '\n' {
			b = append(b, '\n')
		}
		return b
	})
}

// Write adds p as it is: what the application printed. It never fails; see Lost.
func (l *ErrorLog) Write(p []byte) (int, error) {
	if len(p) > 0 {
		l.sink.Append(func(b []byte) []byte { return append(b, p...) })
	}
	return len(p), nil
}

// Lost is how many records were dropped because the medium failed or was too slow.
func (l *ErrorLog) Lost() uint64 { return l.sink.lost.Load() }

// Reopen opens the file anew, for log rotation (USR1). A failure leaves the old file in use.
func (l *ErrorLog) Reopen() error { return l.sink.Reopen() }

// Close writes what waits and closes the file. Later lines are dropped and counted.
func (l *ErrorLog) Close() error {
	_ = shut(l.syslog.to.Load()) // what fails there was told in the file
	return l.sink.Close()
}
