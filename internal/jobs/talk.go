package jobs

import (
	"encoding/binary"
	"errors"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go"

	"girin/internal/jobs/job"
)

func itoa(n int64) string { return strconv.FormatInt(n, 10) }

// tell passes a word to a node, which may be this one. What other nodes are told does not
// come if the connection breaks: the seq of frames and counts shows that, and the beats.
func (n *Node) tell(node string, w *job.Word) {
	if node == n.name {
		n.take(w)
		return
	}
	m := nats.NewMsg(n.names.node(node, "word"))
	m.Data = w.Append(make([]byte, 0, 64+len(w.Head)+len(w.Body)))
	n.outbox.publish(m, nil)
}

func (n *Node) take(w *job.Word) {
	switch w.Kind {
	case job.Credit, job.Cancel:
		n.runner.hear(w)
	default:
		n.origin.hear(w)
	}
}

// hear takes what other nodes, and the engine, say to this one.
func (n *Node) hear(m *nats.Msg) {
	what := strings.TrimPrefix(m.Subject, n.names.node(n.name, ""))
	what, id, _ := strings.Cut(what, ".")
	n.counts.in.Add(int64(len(m.Data)))
	switch what {
	case "word":
		w, err := job.ParseWord(m.Data)
		if err != nil {
			n.cfg.Log.Warningf("jobs: another node says what is not understood: %v", err)
			return
		}
		n.take(&w)
	case "stored":
		if id, ok := job.ParseID(id); ok {
			n.origin.stored(id, refused(m))
		}
	case "echo":
		n.beats.asked.Store(0)
	case "begin":
		n.answerBegin(m)
	case "body":
		if len(m.Data) == 24 {
			at := int64(binary.LittleEndian.Uint64(m.Data[16:]))
			_ = m.Respond(n.origin.readBody(job.ID(m.Data[:16]), at))
		}
	}
}

// refused reports whether the engine has not stored a message.
func refused(m *nats.Msg) bool {
	return m.Header.Get("Status") != "" || strings.Contains(string(m.Data), `"error"`)
}

func (n *Node) answerBegin(m *nats.Msg) {
	if len(m.Data) < 16 {
		return
	}
	attempt := n.origin.begin(job.ID(m.Data[:16]), string(m.Data[16:]))
	_ = m.Respond(binary.LittleEndian.AppendUint16(nil, attempt))
}

// askLimit is how long a node may take to answer another.
const askLimit = time.Second

// askBegin asks the origin of a job whether it may begin. Attempt 0: no, or nobody is there.
func (n *Node) askBegin(origin string, id job.ID) (attempt uint16, err error) {
	if origin == n.name {
		return n.origin.begin(id, n.name), nil
	}
	reply, err := n.nc.Request(n.names.node(origin, "begin"), append(append([]byte(nil), id[:]...), n.name...), askLimit)
	switch {
	case errors.Is(err, nats.ErrNoResponders):
		return 0, nil
	case err != nil:
		return 0, err
	case len(reply.Data) != 2:
		return 0, errors.New("it answers something else")
	}
	return binary.LittleEndian.Uint16(reply.Data), nil
}

var errNoBody = errors.New("the request's body does not come")

// askBody asks for a part of a body.
func (n *Node) askBody(origin string, id job.ID, at int64) ([]byte, error) {
	if origin == n.name {
		if part := n.origin.readBody(id, at); part != nil {
			return part, nil
		}
		return nil, errNoBody
	}
	reply, err := n.nc.Request(n.names.node(origin, "body"), bodyRequest(id, at), 10*askLimit)
	if err != nil {
		return nil, err
	}
	if len(reply.Data) == 0 {
		return nil, errNoBody
	}
	return reply.Data, nil
}

// purge takes a message out of the stream that nobody shall begin any more.
func (n *Node) purge(subject string) {
	if n.up.Load() {
		n.purgeIn(n.names.sync, subject)
	}
}

func (n *Node) purgeIn(stream, subject string) {
	m := nats.NewMsg("$JS.API.STREAM.PURGE." + stream)
	m.Data = []byte(`{"filter":"` + subject + `"}`)
	n.outbox.publish(m, nil)
}

// purgeJob takes the message of an accepted job out of its stream.
func (n *Node) purgeJob(r *job.Record) {
	n.purgeIn(n.names.jobs, n.names.jobSubject(r))
}

// base are the pairs of a listener's environ that its requests do not have themselves.
func (n *Node) base(i uint8) [][2]string {
	if all := n.bases.Load(); all != nil && int(i) < len(*all) {
		return (*all)[i]
	}
	var all [][][2]string
	for _, base := range n.cfg.Bases() {
		var pairs [][2]string
		for _, key := range slices.Sorted(maps.Keys(base)) {
			pairs = append(pairs, [2]string{key, base[key]})
		}
		all = append(all, pairs)
	}
	n.bases.Store(&all)
	if int(i) < len(all) {
		return all[i]
	}
	return nil
}
