package front

import (
	"bytes"

	"girin/internal/http1"
	"girin/internal/wire"
)

// trailersLocked has an application's trailers follow its answer. Those that speak of
// the connection or of the body's length are left out (RFC 9110 section 6.5.1).
func (x *exchange) trailersLocked(f *wire.Frame, block []byte) {
	_, rest := wire.CutString(block)
	var b []byte
	for range f.Fields {
		var name, value []byte
		name, rest = wire.CutString(rest)
		value, rest = wire.CutString(rest)
		if !http1.ValidFieldName(name) || !http1.ValidFieldValue(value) {
			x.lied("a trailer is no valid field")
			return
		}
		if kind := http1.KindOf(name); kind != http1.KindContentLength && !http1.IsHopByHop(kind) {
			b = x.to.appendField(b, name, value, kind)
		}
	}
	if len(b) > 0 {
		x.to.trailLocked(b)
	}
}

// takesTrailers reports whether a value of the field TE says that its client takes
// trailers (RFC 9110 section 10.1.4).
func takesTrailers(value []byte) bool {
	for part := range bytes.SplitSeq(value, []byte(",")) {
		if bytes.EqualFold(bytes.TrimSpace(part), []byte("trailers")) {
			return true
		}
	}
	return false
}
