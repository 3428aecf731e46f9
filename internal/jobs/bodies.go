package jobs

import (
	"encoding/binary"
	"os"

	"girin/internal/jobs/job"
	"girin/internal/sched"
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

// spooled is a body in a file.
type spooled struct{ file *os.File }

func (s spooled) OS() *os.File { return s.file }
func (s spooled) Close()       { s.file.Close() }

// bodyFile is the file that holds a body of this node's own; nil: none does.
func (o *origin) bodyFile(id job.ID) *os.File {
	o.mu.Lock()
	defer o.mu.Unlock()
	if p := o.jobs[id]; p != nil && p.body == nil {
		return o.n.queue.RemoteBody(p.call)
	}
	return nil
}

// fetch brings a request's body here. A file of this node's own is shared, not copied: of all
// attempts one alone reads it.
func fetch(n *Node, origin string, id job.ID, length int64) (sched.Spool, error) {
	if origin == n.name {
		if file := n.origin.bodyFile(id); file != nil {
			return spooled{file}, nil
		}
	}
	file, err := n.cfg.File()
	if err != nil {
		return nil, err
	}
	for at := int64(0); at < length; {
		part, err := n.askBody(origin, id, at)
		if err == nil {
			_, err = file.WriteAt(part, at)
		}
		if err != nil {
			file.Close()
			return nil, err
		}
		at += int64(len(part))
	}
	return spooled{file}, nil
}
