package front

import (
	"bytes"
	"math"
	"strconv"
	"time"

	"girin/internal/http1"
)

var requestStartField = []byte("X-Request-Start")

// oldestStart is beyond what a client waits: such a time is a clock's fault.
const oldestStart = 60 * time.Second

// requestStart is when the request reached a trusted proxy, as X-Request-Start
// tells, on the server's clock; 0: it does not tell, or what cannot be.
func (x *exchange) requestStart() int64 {
	if !x.peer.trusted {
		return 0
	}
	for i := range x.req.Fields {
		f := &x.req.Fields[i]
		if f.Kind != http1.KindOther || len(f.Name) != len(requestStartField) || !bytes.EqualFold(f.Name, requestStartField) {
			continue
		}
		at, ok := parseRequestStart(string(f.Value))
		age := time.Since(at)
		if !ok || age < 0 || age > oldestStart {
			return 0
		}
		return x.srv.cfg.Clock() - int64(age)
	}
	return 0
}

// lastSecond is in the year 2286: the same number of milliseconds is in 1970.
const lastSecond = 1e10

// parseRequestStart reads a Unix time with or without "t=" before it. Its size
// tells the unit: nginx writes seconds with a fraction, Heroku's router
// milliseconds, Apache's mod_headers microseconds.
func parseRequestStart(value string) (at time.Time, ok bool) {
	if len(value) > 2 && value[:2] == "t=" {
		value = value[2:]
	}
	for _, b := range []byte(value) {
		if (b < '0' || b > '9') && b != '.' {
			return at, false
		}
	}
	t, err := strconv.ParseFloat(value, 64)
	if err != nil {
		return at, false
	}
	for _, unit := range []float64{1, 1e3, 1e6} {
		if seconds := t / unit; seconds < lastSecond {
			whole, part := math.Modf(seconds)
			return time.Unix(int64(whole), int64(part*1e9)), true
		}
	}
	return at, false
}
