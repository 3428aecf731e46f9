package jobs

import (
	"encoding/binary"

	"girin/internal/jobs/job"
)

// readBody is a part of the body that a runner asks for.
func (o *origin) readBody(id job.ID, at int64) []byte {
	o.mu.Lock()
	defer o.mu.Unlock()
	p := o.jobs[id]
	if p == nil || at < 0 || at >= p.length {
		return nil
	}
	if p.body != nil {
		return p.body[at:min(at+bodyStep, p.length)]
	}
	if p.file == nil {
		if p.file = o.n.queue.RemoteBody(p.call); p.file == nil {
			return nil
		}
	}
	part := make([]byte, min(bodyStep, p.length-at))
	if _, err := p.file.ReadAt(part, at); err != nil {
		return nil
	}
	return part
}

// bodyStep is how much of a body is asked for at once.
const bodyStep = 512 << 10

// bodyRequest asks for the part of a body that begins at a place.
func bodyRequest(id job.ID, at int64) []byte {
	return binary.LittleEndian.AppendUint64(append([]byte(nil), id[:]...), uint64(at))
}
