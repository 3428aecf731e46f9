package jobs

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"girin/internal/jobs/job"
)

// store is what the engine keeps of accepted jobs: a stream of messages that wait, the
// records by their names, and results. All of it is on the disk before somebody is told.
type store struct {
	n       *Node
	stream  jetstream.Stream
	version string // whose consumers these are, by priority
	waits   map[string]jetstream.Consumer
	records jetstream.KeyValue
	results jetstream.KeyValue    // bodies up to inlineMost
	keys    jetstream.KeyValue    // Idempotency-Key to job
	uniques jetstream.KeyValue    // a task's unique to job
	objects jetstream.ObjectStore // larger bodies of requests
	large   jetstream.ObjectStore // larger results
}

// keepLongest is after what time nothing is left of a job, whatever became of it.
const keepLongest = 8 * 24 * time.Hour

// keyLife is how long an Idempotency-Key is known.
const keyLife = 24 * time.Hour

func (n *Node) openStore(ctx context.Context) (s *store, err error) {
	s = &store{n: n}
	s.version, s.waits = n.Version(), map[string]jetstream.Consumer{}
	if s.stream, err = n.js.CreateOrUpdateStream(ctx, n.names.jobsStream(n.cfg.MaxJobs)); err != nil {
		return nil, fmt.Errorf("stream %s: %w", n.names.jobs, err)
	}
	for _, version := range n.versions() {
		for _, priority := range priorities {
			c, err := n.js.CreateOrUpdateConsumer(ctx, n.names.jobs, n.names.jobsConsumer(version, priority))
			if err != nil {
				return nil, fmt.Errorf("consumer of %s: %w", n.names.jobs, err)
			}
			if version == s.version {
				s.waits[priority] = c
			}
		}
	}
	for _, bucket := range []struct {
		kv   *jetstream.KeyValue
		name string
		life time.Duration
	}{{&s.records, "jobs", keepLongest}, {&s.results, "results", n.cfg.Keep + time.Minute}, {&s.keys, "keys", keyLife}, {&s.uniques, "unique", keepLongest}} {
		if *bucket.kv, err = n.js.CreateOrUpdateKeyValue(ctx, jetstream.KeyValueConfig{
			Bucket: "girin-" + n.names.app + "-" + bucket.name, TTL: bucket.life, Storage: jetstream.FileStorage,
		}); err != nil {
			return nil, fmt.Errorf("bucket %s: %w", bucket.name, err)
		}
	}
	for _, bucket := range []struct {
		objects *jetstream.ObjectStore
		name    string
		life    time.Duration
	}{{&s.objects, "bodies", keepLongest}, {&s.large, "results", n.cfg.Keep + time.Minute}} {
		if *bucket.objects, err = n.js.CreateOrUpdateObjectStore(ctx, jetstream.ObjectStoreConfig{
			Bucket: "girin-" + n.names.app + "-" + bucket.name, TTL: bucket.life, Storage: jetstream.FileStorage,
		}); err != nil {
			return nil, fmt.Errorf("bucket %s: %w", bucket.name, err)
		}
	}
	return s, nil
}

// stored is a record and the revision that the next change is compared with.
type stored struct {
	job.Record
	revision uint64
}

var errNoJob = errors.New("there is no such job")

func (s *store) get(ctx context.Context, id job.ID) (r stored, err error) {
	e, err := s.records.Get(ctx, id.String())
	if errors.Is(err, jetstream.ErrKeyNotFound) || errors.Is(err, jetstream.ErrKeyDeleted) {
		return r, errNoJob
	}
	if err != nil {
		return r, err
	}
	return r, r.read(id, e)
}

func (r *stored) read(id job.ID, e jetstream.KeyValueEntry) error {
	if err := json.Unmarshal(e.Value(), &r.Record); err != nil {
		return err
	}
	r.ID, r.revision = id, e.Revision()
	return nil
}

// change applies an event and what else is to be noted, unless another was quicker: then
// it looks anew. Not changed: the event does not concern the job any more.
func (s *store) change(ctx context.Context, id job.ID, e job.Event, note func(*job.Record)) (r stored, changed bool, err error) {
	return s.changeIf(ctx, id, e, func(*job.Record) bool { return true }, note)
}

// changeIf is change for whom only a record in some state concerns.
func (s *store) changeIf(ctx context.Context, id job.ID, e job.Event, is func(*job.Record) bool, note func(*job.Record)) (r stored, changed bool, err error) {
	for {
		if r, err = s.get(ctx, id); err != nil {
			return r, false, err
		}
		if !is(&r.Record) || !r.Apply(e, time.Now()) {
			return r, false, nil
		}
		if note != nil {
			note(&r.Record)
		}
		again, err := s.put(ctx, &r)
		if !again {
			return r, err == nil, err
		}
	}
}

// note changes what is no state.
func (s *store) note(ctx context.Context, id job.ID, note func(*job.Record)) error {
	for {
		r, err := s.get(ctx, id)
		if err != nil {
			return err
		}
		if note(&r.Record); r.Status != job.Running {
			return nil
		}
		if again, err := s.put(ctx, &r); !again {
			return err
		}
	}
}

func (s *store) put(ctx context.Context, r *stored) (again bool, err error) {
	text, err := json.Marshal(&r.Record)
	if err != nil {
		return false, err
	}
	revision, err := s.records.Update(ctx, r.ID.String(), text, r.revision)
	if err == nil {
		r.revision = revision
		return false, nil
	}
	var api *jetstream.APIError
	return errors.As(err, &api) && api.ErrorCode == jetstream.JSErrCodeStreamWrongLastSequence, err
}

// accept stores a job. When it returns nil the job is on the disk.
func (s *store) accept(ctx context.Context, r *job.Record, message []byte) error {
	text, err := json.Marshal(r)
	if err != nil {
		return err
	}
	var revision uint64
	made := make(chan error, 1)
	go func() {
		var err error
		revision, err = s.records.Create(ctx, r.ID.String(), text)
		made <- err
	}()
	err = s.publish(ctx, r, message)
	if err = errors.Join(err, <-made); err != nil && revision != 0 {
		s.takeBack(r, revision)
	}
	return asProblem(err)
}

// takeBack removes the record of a job whose client is told that it was not stored, unless
// somebody has begun it.
func (s *store) takeBack(r *job.Record, revision uint64) {
	ctx, cancel := context.WithTimeout(context.Background(), askLimit)
	defer cancel()
	if s.records.Delete(ctx, r.ID.String(), jetstream.LastRevision(revision)) == nil {
		s.dropBody(ctx, r)
	}
}

// dropBody removes what a job's request has of its own in the store.
func (s *store) dropBody(ctx context.Context, r *job.Record) {
	if r.Body > 0 {
		_ = s.objects.Delete(ctx, bodyName(r.ID))
	}
}

// hasMessage reports whether the message of a job that waits is there: whoever stored it
// may have died between record and message.
func (s *store) hasMessage(ctx context.Context, r *job.Record) bool {
	_, err := s.stream.GetLastMsgForSubject(ctx, s.n.names.jobSubject(r))
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

func (s *store) publish(ctx context.Context, r *job.Record, message []byte) error {
	m := nats.NewMsg(s.n.names.jobSubject(r))
	m.Data = message
	_, err := s.n.js.PublishMsg(ctx, m)
	return err
}

// object names of a job.
func bodyName(id job.ID) string { return "b." + id.String() }

// messageName is what a job that has ended badly was made of, in case it is wanted again.
func messageName(id job.ID) string { return "m." + id.String() }

// resultName is of one attempt's result: who comes too late overwrites nothing.
func resultName(id job.ID, attempt int) string { return id.String() + "." + strconv.Itoa(attempt) }

// keep stores a result's body.
func (s *store) keep(ctx context.Context, r *job.Record, body io.ReaderAt, size int64) (large bool, err error) {
	if size <= inlineMost {
		b := make([]byte, size)
		if _, err := body.ReadAt(b, 0); err != nil && size > 0 && !errors.Is(err, io.EOF) {
			return false, err
		}
		_, err = s.results.Put(ctx, resultName(r.ID, r.Attempt), b)
		return false, err
	}
	return true, putObject(ctx, s.large, resultName(r.ID, r.Attempt), io.NewSectionReader(body, 0, size))
}

func putObject(ctx context.Context, objects jetstream.ObjectStore, name string, body io.Reader) error {
	_, err := objects.Put(ctx, jetstream.ObjectMeta{Name: name, Opts: &jetstream.ObjectMetaOptions{ChunkSize: inlineMost}}, body)
	return err
}

// read opens an object of so many bytes. Without a limit the library has one of 5 s for all of it.
func read(ctx context.Context, objects jetstream.ObjectStore, name string, size int64) (io.ReadCloser, error) {
	ctx, cancel := context.WithTimeout(ctx, limitFor(size)+longestWait)
	silent := time.AfterFunc(storeLimit, cancel)
	object, err := objects.Get(ctx, name)
	if silent.Stop(); err != nil {
		cancel()
		return nil, err
	}
	return opened{object, cancel}, nil
}

// opened is an object that is read.
type opened struct {
	io.ReadCloser
	end context.CancelFunc
}

func (o opened) Close() error {
	defer o.end()
	return o.ReadCloser.Close()
}

// result opens a job's result.
func (s *store) result(ctx context.Context, r *job.Record) (io.ReadCloser, error) {
	if r.Large {
		return read(ctx, s.large, resultName(r.ID, r.Attempt), r.Size)
	}
	e, err := s.results.Get(ctx, resultName(r.ID, r.Attempt))
	if err != nil {
		return nil, err
	}
	return io.NopCloser(newBytes(e.Value())), nil
}

// list returns the jobs that are wanted, those that began to exist last first.
func (s *store) list(ctx context.Context, most int, wanted func(*job.Record) bool) (all []stored, err error) {
	w, err := s.records.WatchAll(ctx, jetstream.IgnoreDeletes())
	if err != nil {
		return nil, err
	}
	defer func() { _ = w.Stop() }()
	for {
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case e := <-w.Updates():
			if e == nil {
				return newest(all, most), nil
			}
			var r stored
			if id, ok := job.ParseID(e.Key()); ok && r.read(id, e) == nil && wanted(&r.Record) {
				if all = append(all, r); len(all) >= 2*most {
					all = newest(all, most)
				}
			}
		}
	}
}
