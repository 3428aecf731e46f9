package h2

import "bytes"

// priority of an answer (RFC 9218): lower urgencies first; among equals those
// that are not incremental one after the other, by number, then the others in
// turn.
type priority struct {
	urgency     uint8 // 0 to 7
	incremental bool
}

const urgencies = 8

// unaware is the priority where the client tells none of any stream: all in
// turn, so that a large answer holds up nobody.
var unaware = priority{3, true}

// parsePriority reads a Priority field's value, a structured dictionary. What
// cannot be understood is as if it were absent (RFC 9218 section 4).
func parsePriority(value []byte) priority {
	p := priority{urgency: 3}
	for len(value) > 0 {
		var item []byte
		item, value, _ = bytes.Cut(value, []byte(","))
		item = bytes.Trim(item, " \t")
		item, _, _ = bytes.Cut(item, []byte(";")) // parameters of the member
		switch key, v, valued := bytes.Cut(item, []byte("=")); {
		case string(key) == "u" && len(v) == 1 && '0' <= v[0] && v[0] <= '7':
			p.urgency = v[0] - '0'
		case string(key) == "i" && (!valued || string(v) == "?1"):
			p.incremental = true
		case string(key) == "i" && string(v) == "?0":
			p.incremental = false
		}
	}
	return p
}

// ready are the streams that have something to send and a window for it, in the
// order in which they may: a list for each urgency.
type ready [urgencies]struct{ first, last *Stream }

// add adds a stream that is not there. One that is not incremental stands
// before those of its urgency that are, and by number among its like.
func (r *ready) add(s *Stream) {
	l := &r[s.prio.urgency]
	after := l.last
	if !s.prio.incremental {
		for after != nil && (after.prio.incremental || after.id > s.id) {
			after = after.before
		}
	}
	s.listed, s.before = true, after
	if after == nil {
		s.after, l.first = l.first, s
	} else {
		s.after, after.after = after.after, s
	}
	if s.after == nil {
		l.last = s
	} else {
		s.after.before = s
	}
}

func (r *ready) remove(s *Stream) {
	l := &r[s.prio.urgency]
	if s.before == nil {
		l.first = s.after
	} else {
		s.before.after = s.after
	}
	if s.after == nil {
		l.last = s.before
	} else {
		s.after.before = s.before
	}
	s.listed, s.before, s.after = false, nil, nil
}

// next is whose turn it is.
func (r *ready) next() *Stream {
	for i := range r {
		if s := r[i].first; s != nil {
			return s
		}
	}
	return nil
}

func (r *ready) empty() bool { return r.next() == nil }
