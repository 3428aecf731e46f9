package jobs

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"golang.org/x/sync/singleflight"

	"girin/internal/jobs/job"
	"girin/internal/offload"
)

// store is what the engine keeps of accepted jobs: a stream of messages that wait, the
// records by their names, and results. All of it is on the disk before somebody is told.
type store struct {
	n       *Node
	stream  jetstream.Stream
	version string                        // whose consumers these are, by class
	waits   map[string]jetstream.Consumer // of that version
	oneLine bool                          // jobs whose clients wait are all of one class
	asking  singleflight.Group
	classes classes
	secret  []byte                // what principals are made with
	meta    jetstream.KeyValue    // what all nodes know: see classesKey, secretKey
	records jetstream.KeyValue    // by the job's name
	results jetstream.KeyValue    // bodies up to inlineMost
	keys    jetstream.KeyValue    // Idempotency-Key to job
	uniques jetstream.KeyValue    // a task's unique to job
	objects jetstream.ObjectStore // larger bodies of requests
	large   jetstream.ObjectStore // larger results
	young   young
}

// keepLongest is after what time nothing is left of a job, whatever became of it.
const keepLongest = 8 * 24 * time.Hour

// keyLife is how long an Idempotency-Key is known.
const keyLife = 24 * time.Hour

func (n *Node) openStore(ctx context.Context) (s *store, err error) {
	s = &store{n: n}
	if s.stream, err = n.openStream(ctx, n.names.jobsStream(n.cfg.MaxJobs)); err != nil {
		return nil, err
	}
	if _, err = n.openStream(ctx, n.names.hooksStream()); err != nil {
		return nil, err
	}
	resultLife := n.cfg.Keep + time.Minute
	for _, bucket := range []struct {
		kv   *jetstream.KeyValue
		name string
		life time.Duration
	}{{&s.meta, "meta", 0}, {&s.records, "jobs", keepLongest}, {&s.results, "results", resultLife}, {&s.keys, "keys", keyLife}, {&s.uniques, "unique", keepLongest}} {
		if *bucket.kv, err = n.openBucket(ctx, bucket.name, bucket.life); err != nil {
			return nil, fmt.Errorf("bucket %s: %w", bucket.name, err)
		}
	}
	for _, bucket := range []struct {
		objects *jetstream.ObjectStore
		name    string
		life    time.Duration
	}{{&s.objects, "bodies", keepLongest}, {&s.large, "results", resultLife}} {
		if *bucket.objects, err = n.openObjects(ctx, bucket.name, bucket.life); err != nil {
			return nil, fmt.Errorf("bucket %s: %w", bucket.name, err)
		}
	}
	if s.secret, err = s.openSecret(ctx); err != nil {
		return nil, fmt.Errorf("the secret of the jobs: %w", err)
	}
	if s.classes, err = s.openClasses(ctx, classesOf(n.cfg.Routes)); err != nil {
		return nil, fmt.Errorf("the routes of the jobs: %w", err)
	}
	return s, s.openConsumers(ctx)
}

// openConsumers makes a consumer of each line: of each version and class.
func (s *store) openConsumers(ctx context.Context) error {
	n := s.n
	s.version, s.waits = n.Version(), map[string]jetstream.Consumer{}
	for _, version := range n.versions() {
		for _, class := range s.jobClasses(version, 0) {
			c, err := n.js.CreateOrUpdateConsumer(ctx, n.names.jobs, n.names.jobsConsumer(version, class, s.classes[class]))
			if err != nil {
				return fmt.Errorf("consumer of %s: %w", n.names.jobs, err)
			}
			if version == s.version {
				s.waits[class] = c
			}
		}
	}
	lines := s.routeClasses(0)
	s.oneLine = len(lines) == 1 && s.classes[lines[0]] == 0
	for _, class := range lines {
		if _, err := n.js.CreateOrUpdateConsumer(ctx, n.names.sync, n.names.syncConsumer(s.version, class, s.classes[class])); err != nil {
			return fmt.Errorf("consumer of %s: %w", n.names.sync, err)
		}
	}
	return nil
}

// jobClasses are those of a version's accepted jobs, in the order in which they are asked for.
func (s *store) jobClasses(version string, turn uint32) (all []string) {
	if version == anyVersion { // tasks have no route
		return offload.Priorities
	}
	return s.routeClasses(turn)
}

// routeClasses are those of jobs that come from routes, in the order in which they are asked for:
// the usual one, and what nodes have named. There are few, and each costs a question.
func (s *store) routeClasses(turn uint32) (all []string) {
	for _, priority := range offload.Priorities {
		for _, class := range s.classes.ofPriority(priority, turn) {
			if _, known := s.classes[class]; known || class == offload.Usual {
				all = append(all, class)
			}
		}
	}
	return all
}

// acceptMost is within what both a job's record and its message must have been stored: see orphan.
const acceptMost = storeLimit

// accept stores a job. When it returns nil the job is on the disk.
func (s *store) accept(ctx context.Context, r *job.Record, message []byte) error {
	if err := context.Cause(ctx); err != nil { // its client has left meanwhile
		return &notStored{err}
	}
	ctx, cancel := context.WithTimeout(ctx, acceptMost)
	defer cancel()
	text, err := json.Marshal(r)
	if err != nil {
		return err
	}
	stored, before := make(chan error, 1), make(chan queue, 1)
	made, is := s.young.expect(r.ID), *r
	go func() { stored <- s.publish(ctx, r, message) }() // later rather than sooner than the record: see orphan
	go func() {
		if r.Task { // which is handed over by who does not ask for its place
			before <- queue{}
			return
		}
		before <- s.delivered(ctx, r)
	}()
	revision, err := s.records.Create(ctx, r.ID.String(), text)
	made.is(is, revision)
	refused := (*jetstream.APIError)(nil)
	gone := errors.As(err, &refused)
	if err = errors.Join(err, <-stored); err != nil && revision != 0 {
		gone = s.takeBack(r, revision)
	}
	if line := <-before; err == nil && line.known {
		r.Position = line.position(r.Sequence)
	}
	if err = asProblem(err); gone && err != nil {
		return &notStored{err}
	}
	return err
}

// queue is how a line of jobs was when it was looked at.
type queue struct {
	known   bool
	last    uint64 // the message that was pulled last
	pending uint64 // how many nobody has pulled
}

// position is a message's place among those that wait. All lines share one sequence: what comes
// between may be of others.
func (q queue) position(sequence uint64) int {
	switch between := int64(sequence - q.last); {
	case between <= int64(q.pending)+1: // it may have come later than the line was looked at
		return int(max(between, 1))
	default:
		return int(max(q.pending, 1))
	}
}

// delivered is how a job's line is. Those who ask at the same time ask once.
func (s *store) delivered(ctx context.Context, r *job.Record) queue {
	line, known := s.waits[r.Line()]
	if !known || s.version != r.Version {
		return queue{}
	}
	is, err, _ := s.asking.Do(r.Line(), func() (any, error) {
		info, err := line.Info(ctx)
		if err != nil {
			return nil, err
		}
		return queue{true, info.Delivered.Stream, info.NumPending}, nil
	})
	if err != nil {
		return queue{}
	}
	return is.(queue)
}

// takeBack removes the record of a job whose client is told that it was not stored, unless
// somebody has begun it, and reports whether it is gone.
func (s *store) takeBack(r *job.Record, revision uint64) bool {
	ctx, cancel := context.WithTimeout(context.Background(), askLimit)
	defer cancel()
	return s.records.Delete(ctx, r.ID.String(), jetstream.LastRevision(revision)) == nil
}

// dropBody removes a job's large body, and what was kept of its request for another run: that would
// be begun in vain.
func (s *store) dropBody(ctx context.Context, r *job.Record) {
	if r.Body > 0 {
		s.dropObject(ctx, messageName(r.ID))
		s.dropObject(ctx, bodyName(r.ID))
	}
}

// dropObject removes an object of a request, of which the library would keep a mark for days.
func (s *store) dropObject(ctx context.Context, name string) bool {
	o, err := s.objects.GetInfo(ctx, name)
	if err != nil {
		return false
	}
	stream, err := s.n.js.Stream(ctx, "OBJ_"+s.n.bucket("bodies"))
	if err != nil {
		return false
	}
	bucket := s.n.bucket("bodies")
	for _, subject := range []string{"$O." + bucket + ".C." + o.NUID, objectSubject(bucket, name)} {
		if err = stream.Purge(ctx, jetstream.WithPurgeSubject(subject)); err != nil {
			return false
		}
	}
	return true
}

// hasMessage reports whether the message of a job that waits is there, whatever version it is for:
// whoever stored it may have died between record and message.
func (s *store) hasMessage(ctx context.Context, r *job.Record) bool {
	_, err := s.stream.GetLastMsgForSubject(ctx, s.n.names.anySubject(r.ID))
	return !errors.Is(err, jetstream.ErrMsgNotFound)
}

// asProblem is a refusal of the engine's as a client is told it.
func asProblem(err error) error {
	var api *jetstream.APIError
	if errors.As(err, &api) && strings.Contains(api.Description, "maximum messages") {
		return &problem{http.StatusServiceUnavailable, "too many jobs wait"}
	}
	return err
}

func (s *store) publish(ctx context.Context, r *job.Record, message []byte, how ...jetstream.PublishOpt) error {
	m := nats.NewMsg(s.n.names.jobSubject(r))
	m.Data = message
	s.n.counts.out.Add(int64(len(message)))
	ack, err := s.n.js.PublishMsg(ctx, m, how...)
	if err == nil {
		r.Sequence = ack.Sequence
	}
	return err
}

// What an object has of a job's request.
const (
	bodyPrefix    = "b."
	messagePrefix = "m."
)

func bodyName(id job.ID) string { return bodyPrefix + id.String() }

// messageName is what a job that has ended badly was made of, in case it is wanted again.
func messageName(id job.ID) string { return messagePrefix + id.String() }
