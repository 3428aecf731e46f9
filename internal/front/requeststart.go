package front

import (
	"bytes"
	"math"
	"strconv"
	"time"

	"girin/internal/http1"
)

var requestStartField = []byte("X-Request-Start")

// requestStart is when the request reached a trusted proxy, as X-Request-Start
// tells, on the server's clock; 0: it does not tell, or it is not believed.
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
		if !ok {
			return 0
		}
		return x.startedBefore(time.Since(at))
	}
	return 0
}

// startedBefore is the server's time of what began age ago by the proxy's clock;
// 0: that clock is not believed.
func (x *exchange) startedBefore(age time.Duration) int64 {
	if x.peer.clock == nil {
		x.peer.clock = x.srv.clocks.of(x.peer.addr)
	}
	now := x.srv.cfg.Clock()
	believed, tell := x.peer.clock.judge(age, now, time.Now().UnixNano())
	if tell {
		x.srv.cfg.Log.Warningf("X-Request-Start of %s is ignored until it makes sense: its last %d requests are all told to have begun more than %v ago or in the future; this one %v. Are the clocks right?",
			x.peer.name(), doubts, freshAge, age.Round(time.Millisecond))
	}
	if !believed {
		return 0
	}
	return now - int64(age)
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
