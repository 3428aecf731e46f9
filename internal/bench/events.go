package bench

// Events is how the parts of streamed responses came: server-sent events, or what else an empty line ends.
type Events struct {
	Count     int64        `json:"count"`
	PerSecond float64      `json:"per_second"`
	First     Distribution `json:"first"` // from sending the request to its first event
	Gap       Distribution `json:"gap"`   // from one event of a response to the next
}

// eventTally is one client's.
type eventTally struct {
	first, gap tally
	last       int64 // when the response under way had its last event; 0 before its first
}

// note is told of each event as it comes.
func (e *eventTally) note(c *client) {
	now := c.run.now()
	if e.last == 0 {
		e.first.add(now - c.sample.sent)
	} else {
		e.gap.add(now - e.last)
	}
	e.last = now
}

// countEvents looks for empty lines in a body as its bytes come.
func (r *response) countEvents(b []byte) {
	for _, c := range b {
		switch {
		case c == '\r':
		case c != '\n':
			r.lineLen++
		case r.lineLen > 0:
			r.lineLen, r.inEvent = 0, true
		case r.inEvent:
			r.inEvent = false
			r.event()
		}
	}
}

// events sums the clients' tallies up; nil if none was asked for.
func (r *run) events(seconds float64) *Events {
	if !r.opts.Events {
		return nil
	}
	var first, gap tally
	for _, c := range r.clients {
		first.merge(&c.eventTally.first)
		gap.merge(&c.eventTally.gap)
	}
	e := &Events{Count: first.n + gap.n, First: series{tally: &first}.distribution(), Gap: series{tally: &gap}.distribution()}
	e.PerSecond = float64(e.Count) / seconds
	return e
}
