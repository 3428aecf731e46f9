package front

import "girin/internal/http1"

// Gone ends what nobody waits for any more.
func (st *stream) Gone() {
	switch r := &st.reply; {
	case st.carries != nil:
		st.carries.lost()
	case r.running: // its end will be told
		st.h.owed[st] = struct{}{}
		st.srv.cfg.Queue.Cancel(&st.call)
	case r.given:
		st.finishLocked()
	default:
		st.uncountLocked()
		if r.record.on {
			r.status, r.sent = statusLeft, 0
			st.logAccess()
		}
		st.submitted = true
		st.frames.Done()
	}
	st.dropFileLocked()
	st.dropSpillLocked()
	st.dropUploadLocked()
}

// Released makes the stream ready for another request.
func (st *stream) Released() {
	h := st.h
	st.dropBody()
	st.dropSpillLocked()
	st.dropUploadLocked()
	st.streams, st.upload = false, nil
	st.releaseRequest()
	delete(h.owed, st)
	st.req.Reset()
	st.verdict, st.trailers, st.headed = nil, http1.Trailers{}, false
	st.reserved, st.room = false, nil
	st.awaits, st.submitted, st.late, st.seen, st.carries = awaitsHead, false, false, seenStream{}, nil
	if h.gone {
		st.letGo()
		return
	}
	if st.filling {
		st.letGo() // who reads for it must not find another request there
	} else {
		h.free = append(h.free, st)
	}
	h.restedLocked()
}

// letGo says that the call will not be submitted again.
func (st *stream) letGo() {
	if !st.let {
		st.let = true
		st.srv.cfg.Queue.Release(&st.call)
	}
}
