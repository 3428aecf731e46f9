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

// spooled is a body that came from another node.
type spooled struct{ file *os.File }

func (s spooled) OS() *os.File { return s.file }
func (s spooled) Close()       { s.file.Close() }

// fetch brings a request's body here.
func fetch(n *Node, origin string, id job.ID, length int64) (sched.Spool, error) {
	file, err := nameless(n.cfg.SpoolDir)
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

// nameless makes a file that goes with its descriptor.
func nameless(dir string) (*os.File, error) {
	file, err := os.CreateTemp(dir, "girin-job-")
	if err != nil {
		return nil, err
	}
	_ = os.Remove(file.Name())
	return file, nil
}
