package http1

import (
	"sync/atomic"
	"time"
)

// Date keeps the Date field (RFC 9110 section 6.6.1) of the current second, so
// that it is formatted once a second and not once a response. The zero value is
// ready; it may be used from many goroutines and needs no ticker.
type Date struct {
	last atomic.Pointer[dateLine]
}

type dateLine struct {
	second int64
	line   []byte
}

// Append appends the field line for the given second of Unix time.
func (d *Date) Append(dst []byte, second int64) []byte {
	l := d.last.Load()
	if l == nil || l.second != second {
		// Two goroutines may both come here, or one with the second before:
		// each appends its own second, and it does not matter which is kept.
		l = newDateLine(second)
		d.last.Store(l)
	}
	return append(dst, l.line...)
}

func newDateLine(second int64) *dateLine {
	const imfFixdate = "Date: Mon, 02 Jan 2006 15:04:05 GMT\r\n"
	line := make([]byte, 0, len(imfFixdate))
	return &dateLine{second: second, line: time.Unix(second, 0).UTC().AppendFormat(line, imfFixdate)}
}
