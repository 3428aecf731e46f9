package front

import "time"

// outrunLocked has it looked soon whether the client is slow.
func (st *stream) outrunLocked() {
	if st.spilling || st.spill != nil || st.frames.Queued() == 0 || st.srv.cfg.SpoolResponse <= 0 {
		return
	}
	st.spilling = true
	time.AfterFunc(spillAfter, st.spillIfOutrun)
}

func (st *stream) spillIfOutrun() {
	c := st.h.c
	c.mu.Lock()
	defer c.mu.Unlock()
	r := &st.reply
	st.spilling = false
	if st.goneLocked() || !r.running || st.spill != nil || r.got-r.granted < st.creditStep() {
		return
	}
	st.spillLocked()
}

// spillLocked has all but the next step of what waits written to a file, and all
// that follows until the client has caught up.
func (st *stream) spillLocked() {
	h := st.h
	var s *spill
	s = st.srv.newSpill(&h.c.mu, func() {
		if st.spill == s {
			if s.full {
				st.stayLocked()
			}
			st.grantLocked()
			h.refillSoonLocked()
		}
	})
	if s == nil {
		st.stayLocked()
		return
	}
	s.tail = st.frames.Cut(writeStep)
	h.unread -= int64(len(s.tail))
	st.spill, st.spilled = s, false
	h.files++
	s.moveOn()
	st.grantLocked()
}

// waitingLocked does not count what is left of a queue whose rest is spilled: it
// is at most writeStep.
func (st *stream) waitingLocked() int {
	if st.spill != nil {
		return st.spill.held()
	}
	return st.frames.Queued()
}

// refillSoonLocked has files and what was spilled sent on by who drains the
// connection.
func (h *streams) refillSoonLocked() {
	if h.files > 0 && !h.c.dead {
		h.c.out.startLocked()
	}
}

// refillLocked passes on a step of what was spilled, with which the answer may be
// whole. When all of it is sent, what still follows is in memory again.
func (st *stream) refillLocked() {
	s := st.spill
	if s.unread() == 0 {
		tail := s.end()
		st.srv.queued.Add(-int64(len(tail)))
		st.forgetSpillLocked()
		st.passOnLocked(tail, st.spilled)
		st.grantLocked()
		return
	}
	buf := largeInputs.Get().(*[largeInput]byte)
	defer largeInputs.Put(buf)
	st.filling = true
	n, err := s.fill(buf[:])
	st.filling = false
	switch {
	case st.spill != s: // the client has gone
	case err != nil:
		st.srv.cfg.Log.Errorf("an answer is cut: its spool file cannot be read: %v", err)
		st.frames.Reset(codeInternal)
		st.Gone()
	default:
		last := st.spilled && s.whole()
		if last {
			s.end()
			st.forgetSpillLocked()
		}
		st.passOnLocked(buf[:n], last)
	}
}

func (st *stream) passOnLocked(body []byte, last bool) {
	if len(body) > 0 || last {
		st.writeLocked(body, last)
	}
	st.h.conn.Flush()
}

func (st *stream) forgetSpillLocked() {
	st.spill = nil
	st.h.files--
}

// dropSpillLocked gives back what nobody waits for any more.
func (st *stream) dropSpillLocked() {
	if st.spill != nil {
		st.spill.forget()
		st.forgetSpillLocked()
	}
}
