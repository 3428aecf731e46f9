package jobs

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"girin/internal/jobs/job"
)

// The library asks whichever server of a cluster answers first. One that has just come back may
// know less than the others, and for as long as it has not caught up: what would be done away with
// because it does not know of it, the leader is asked.

// ledMsg is a message as a stream's leader has it.
type ledMsg struct {
	Sequence uint64    `json:"seq"`
	Data     []byte    `json:"data"`
	Time     time.Time `json:"time"`
}

// lastOf asks the leader of a stream for the last message of a subject.
func (n *Node) lastOf(ctx context.Context, stream, subject string) (*ledMsg, error) {
	ctx, cancel := context.WithTimeout(ctx, tryLimit)
	defer cancel()
	wanted, _ := json.Marshal(map[string]string{"last_by_subj": subject})
	reply, err := n.nc.RequestWithContext(ctx, "$JS.API.STREAM.MSG.GET."+stream, wanted)
	if err != nil {
		return nil, err
	}
	var said struct {
		Error   *jetstream.APIError `json:"error"`
		Message *ledMsg             `json:"message"`
	}
	switch err := json.Unmarshal(reply.Data, &said); {
	case err != nil:
		return nil, err
	case said.Error != nil && said.Error.ErrorCode == jetstream.JSErrCodeMessageNotFound:
		return nil, jetstream.ErrMsgNotFound
	case said.Error != nil:
		return nil, said.Error
	case said.Message == nil:
		return nil, jetstream.ErrInvalidJetStreamResponse
	}
	return said.Message, nil
}

// getNow is get, of what the leader knows.
func (s *store) getNow(ctx context.Context, id job.ID) (r stored, err error) {
	m, err := s.n.lastOf(ctx, "KV_"+s.n.bucket("jobs"), s.n.recordSubject(id))
	if errors.Is(err, jetstream.ErrMsgNotFound) || err == nil && len(m.Data) == 0 { // the mark of one that was removed
		return r, errNoJob
	}
	if err != nil {
		return r, err
	}
	r.ID, r.revision, r.changed = id, m.Sequence, m.Time
	return r, json.Unmarshal(m.Data, &r.Record)
}

// hasEndedNow reports whether the leader knows that a job has ended.
func (s *store) hasEndedNow(ctx context.Context, id job.ID) bool {
	r, err := s.getNow(ctx, id)
	return err == nil && r.Status.Ended()
}

// keptMessage is what a job was made of that has ended badly before; jetstream.ErrObjectNotFound:
// the leader knows that there is none.
func (s *store) keptMessage(ctx context.Context, id job.ID) ([]byte, error) {
	kept, err := s.objects.GetBytes(ctx, messageName(id))
	return kept, s.confirm(ctx, messageName(id), err)
}

// confirm asks the leader whether an object of a request is not there, if that is the error.
func (s *store) confirm(ctx context.Context, name string, err error) error {
	if !errors.Is(err, jetstream.ErrObjectNotFound) {
		return err
	}
	bucket := s.n.bucket("bodies")
	m, asked := s.n.lastOf(ctx, "OBJ_"+bucket, objectSubject(bucket, name))
	if errors.Is(asked, jetstream.ErrMsgNotFound) {
		return err
	}
	var o jetstream.ObjectInfo
	if asked == nil {
		asked = json.Unmarshal(m.Data, &o)
	}
	switch {
	case asked != nil:
		return asked
	case o.Deleted:
		return err
	}
	return errLags
}

var errLags = errors.New("a server of the engine has not caught up yet")

// objectSubject is where it is said what an object consists of.
func objectSubject(bucket, name string) string {
	return "$O." + bucket + ".M." + base64.URLEncoding.EncodeToString([]byte(name))
}
