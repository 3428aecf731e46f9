package jobs

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"girin/internal/jobs/job"
)

// janitor moves accepted jobs whose version no server serves any more to this one's: a
// deploy has replaced all that could run them.
//
// Each server of the present version does it, so that none need be chosen: a moved
// message has the name and number of the one that it was, which the stream stores once.
func (n *Node) janitor() {
	missing, unused := map[string]time.Time{}, map[string]time.Time{} // since when
	every := janitorEvery
	if n.cfg.MoveAfter > 0 {
		every = max(min(every, n.cfg.MoveAfter/4), lookEvery)
	}
	t := time.NewTicker(every)
	defer t.Stop()
	for {
		select {
		case <-n.ctx.Done():
			return
		case <-t.C:
		}
		if !n.up.Load() || n.cfg.MoveAfter == 0 || n.cfg.Slots == 0 || n.fill.jobs.Load() == 0 {
			clear(missing)
		} else if err := n.moveOrphans(missing); err != nil && n.ctx.Err() == nil {
			n.cfg.Log.Debugf("jobs: %v", err)
		}
		if !n.up.Load() || n.guest() {
			clear(unused)
			continue
		}
		ctx, cancel := context.WithTimeout(n.ctx, storeLimit)
		if err := n.forgetClasses(ctx, unused); err != nil && n.ctx.Err() == nil {
			n.cfg.Log.Debugf("jobs: %v", err)
		}
		cancel()
	}
}

const (
	janitorEvery = 5 * time.Second
	movedMost    = 1000 // at a time
)

// moveOrphans looks which versions have jobs and no server, and moves those of whom that
// has been so for long enough.
func (n *Node) moveOrphans(missing map[string]time.Time) error {
	ctx, cancel := context.WithTimeout(n.ctx, storeLimit)
	defer cancel()
	stream := n.store.Load().stream
	prefix := "girin." + n.names.app + ".jobs."
	info, err := stream.Info(ctx, jetstream.WithSubjectFilter(prefix+">"))
	if err != nil {
		return err
	}
	served := n.beats.versions()
	waiting := map[string][]string{} // subjects by version
	for subject := range info.State.Subjects {
		version, _, _ := strings.Cut(strings.TrimPrefix(subject, prefix), ".")
		if !served[version] {
			waiting[version] = append(waiting[version], subject)
		}
	}
	for version := range missing {
		if waiting[version] == nil {
			delete(missing, version)
		}
	}
	for version, subjects := range waiting {
		since, known := missing[version]
		if !known {
			missing[version] = time.Now()
			continue
		}
		if time.Since(since) >= n.cfg.MoveAfter {
			n.moveAll(ctx, stream, subjects[:min(len(subjects), movedMost)])
		}
	}
	return nil
}

func (n *Node) moveAll(ctx context.Context, stream jetstream.Stream, subjects []string) {
	moved := 0
	for _, subject := range subjects {
		if err := n.move(ctx, stream, subject); err != nil {
			n.cfg.Log.Debugf("jobs: %v", err)
			continue
		}
		moved++
	}
	if moved > 0 {
		n.cfg.Log.Infof("Jobs: %d accepted by a version that no server serves any more are for version %s now", moved, n.Version())
	}
}

func (n *Node) move(ctx context.Context, stream jetstream.Stream, subject string) error {
	m, err := stream.GetLastMsgForSubject(ctx, subject)
	if err != nil {
		return err
	}
	s, version := n.store.Load(), n.Version()
	id, ok := idOf(subject)
	if !ok {
		return stream.DeleteMsg(ctx, m.Sequence)
	}
	r, err := s.get(ctx, id)
	if err != nil {
		return err
	}
	if !r.Status.Ended() && (len(m.Data) == 0 || m.Data[0] != job.Format) {
		return s.leave(ctx, &r, m.Data)
	}
	if r.Status == job.Running && n.runs(&r.Record) {
		return nil // what the version's last workers still run
	}
	died := r.Status == job.Running
	if died {
		r.Apply(job.Died, n.now())
		r.Reason = runnerGone
	}
	if !r.Status.Ended() {
		r.Format = job.Format
		if r.Version != anyVersion {
			r.Version = version
		}
	}
	if again, err := s.put(ctx, &r); err != nil || again {
		return err
	}
	if !r.Status.Ended() {
		moved := nats.NewMsg(n.names.jobSubject(&r.Record))
		moved.Data = m.Data
		moved.Header.Set(nats.MsgIdHdr, fmt.Sprintf("moved %s %d", subject, m.Sequence)) // it may come back, and be moved again
		if _, err := n.js.PublishMsg(ctx, moved); err != nil {
			return err
		}
	} else {
		if died {
			n.cfg.Log.Warningf("Job %s (%s) is %s: %s", id, r.Route, r.Status, runnerGone)
			n.counts.ended(r.Status)
		}
		s.letGo(ctx, &r.Record, m.Data)
	}
	return stream.DeleteMsg(ctx, m.Sequence)
}

// leave notes why a job waits that nobody can read: another version of Girin has packed it.
func (s *store) leave(ctx context.Context, r *stored, message []byte) error {
	reason := otherFormat
	if len(message) > 0 {
		reason = fmt.Sprintf("%s: format %d, and this server has %d", otherFormat, message[0], job.Format)
	}
	if r.Status != job.Queued || r.Reason == reason {
		return job.ErrFormat
	}
	s.n.cfg.Log.Errorf("Job %s (%s) waits for a server that can read it: %s", r.ID, r.Route, reason)
	r.Reason = reason
	if again, err := s.put(ctx, r); err != nil && !again {
		return err
	}
	return job.ErrFormat
}

const otherFormat = "it was packed by another version of girin"

// versions are those that servers serve, as parts of a subject.
func (b *beats) versions() map[string]bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	all := map[string]bool{line(anyVersion): true, line(b.n.Version()): true}
	for _, h := range b.last {
		if b.n.cfg.Clock()-h.at < beatGone {
			all[lineOf(h.Version, h.Format)], all[lineOf(anyVersion, h.Format)] = true, true
		}
	}
	return all
}
