package logs

import (
	"fmt"
	"net"
	"strconv"
	"strings"
	"time"
)

// Syslog is where a log goes beside its file: messages as RFC 3164 describes
// them and Python's SysLogHandler sends them, without time and host, which the
// daemon knows.
type Syslog struct {
	Address  string // unix://PATH, unix://PATH#dgram, udp://HOST:PORT or tcp://HOST:PORT
	Facility int
	Tag      string // before the first colon of a message
}

// Facility is the code of a facility's name.
func Facility(name string) (int, error) {
	if code, ok := facilities[strings.ToLower(name)]; ok {
		return code, nil
	}
	return 0, fmt.Errorf("%q is not a facility of syslog, such as user, daemon or local0", name)
}

var facilities = map[string]int{
	"kern": 0, "user": 1, "mail": 2, "daemon": 3, "auth": 4, "security": 4, "syslog": 5, "lpr": 6, "news": 7,
	"uucp": 8, "cron": 9, "authpriv": 10, "ftp": 11, "local0": 16, "local1": 17, "local2": 18, "local3": 19,
	"local4": 20, "local5": 21, "local6": 22, "local7": 23,
}

// ParseSyslogAddress names the networks to try, and the address.
func ParseSyslogAddress(text string) (networks []string, addr string, err error) {
	scheme, addr, _ := strings.Cut(text, "://")
	switch scheme {
	case "unix":
		path, kind, _ := strings.Cut(addr, "#")
		switch {
		case path == "":
		case kind == "dgram":
			return []string{"unixgram"}, path, nil
		case kind == "stream":
			return []string{"unix"}, path, nil
		case kind == "":
			return []string{"unixgram", "unix"}, path, nil
		}
	case "udp", "tcp":
		host, port, err := net.SplitHostPort(addr)
		if err != nil {
			host, port = strings.Trim(addr, "[]"), "514"
		}
		if _, err := strconv.ParseUint(port, 10, 16); err == nil && !strings.ContainsAny(host, "[]/") {
			return []string{scheme}, net.JoinHostPort(host, port), nil
		}
	}
	return nil, "", fmt.Errorf("%q is not an address such as unix:///dev/log, udp://localhost:514 or tcp://localhost:514", text)
}

// open starts a sink whose records begin with a byte for their level.
func (s Syslog) open(tell func(error)) (*sink, error) {
	networks, addr, err := ParseSyslogAddress(s.Address)
	if err != nil {
		return nil, err
	}
	out := &syslogWriter{networks: networks, addr: addr, facility: s.Facility, tag: s.Tag}
	return newSink(sinkConfig{
		name: "syslog " + s.Address, target: Target{Path: "-"}, std: out, named: true, tell: tell, limit: errorLimit, oneEach: true,
	})
}

// appendSyslogHead begins a record for such a sink.
func appendSyslogHead(b []byte, level Level, pid int) []byte {
	b = append(b, byte(level), '[')
	b = strconv.AppendInt(b, int64(pid), 10)
	return append(b, "] "...)
}

// syslogLimit is how long the daemon may take to accept a connection or a message.
const syslogLimit = time.Second

// syslogWriter sends each record as a message. Without a daemon records are
// lost; each one tries again. It belongs to its sink's goroutine.
type syslogWriter struct {
	networks []string
	addr     string
	facility int
	tag      string
	conn     net.Conn // nil: not connected
}

// severities are those of RFC 3164 section 4.1.1.
var severities = [...]int{Debug: 7, Info: 6, Warning: 4, Error: 3, Critical: 2}

// Write takes a record: its level, and the text.
func (w *syslogWriter) Write(record []byte) (int, error) {
	if w.conn == nil {
		if err := w.dial(); err != nil {
			return 0, err
		}
	}
	message := fmt.Appendf(nil, "<%d>%s: %s", w.facility<<3|severities[record[0]], w.tag, strings.TrimRight(string(record[1:]), "\n"))
	if kind := w.conn.RemoteAddr().Network(); kind == "tcp" || kind == "unix" {
		message = append(message, '\n') // RFC 6587 section 3.4.2
	}
	_ = w.conn.SetWriteDeadline(time.Now().Add(syslogLimit))
	if _, err := w.conn.Write(message); err != nil {
		w.conn.Close()
		w.conn = nil
		return 0, err
	}
	return len(record), nil
}

func (w *syslogWriter) dial() (err error) {
	for _, network := range w.networks {
		if w.conn, err = net.DialTimeout(network, w.addr, syslogLimit); err == nil {
			return nil
		}
		w.conn = nil
	}
	return err
}
