package logs

import "sync/atomic"

// relay is where a log sends its lines beside its file: to syslog, as long as it is said so.
type relay struct {
	to   atomic.Pointer[sink] // nil: nowhere
	from Syslog               // what to was opened with; of whoever redirects the log
}

// change sends later lines to s, or nowhere if that is nil. A failure leaves all as it was.
func (r *relay) change(s *Syslog, tell func(error)) error {
	before := r.to.Load()
	if s == nil {
		r.to.Store(nil)
		return shut(before)
	}
	if before != nil && r.from == *s {
		return nil
	}
	next, err := s.open(tell)
	if err != nil {
		return err
	}
	r.from = *s
	r.to.Store(next)
	return shut(before)
}

// shut closes a sink, if there is one.
func shut(s *sink) error {
	if s == nil {
		return nil
	}
	return s.Close()
}
