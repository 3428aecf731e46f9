package jobs

import (
	"cmp"
	"context"
	"errors"
	"io"
	"strconv"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"girin/internal/jobs/job"
)

// resultName is of one attempt's result, of one run: who comes too late overwrites nothing.
func resultName(r *job.Record) string {
	name := r.ID.String() + "." + strconv.Itoa(r.Attempt)
	if r.Again > 0 {
		name += "." + strconv.Itoa(r.Again)
	}
	return name
}

// smallMost is the largest result that is in its job's record: that saves a write to the
// disk. Whoever lists jobs reads all records.
const smallMost = 1 << 10

// keep stores a result's body, and tries again while the engine does not answer, and for a
// while where it refuses. A small one it returns, for the record.
func (s *store) keep(ctx context.Context, r *job.Record, body io.ReaderAt, size int64) (small []byte, large bool, err error) {
	if size <= inlineMost {
		small = make([]byte, size)
		if n, err := body.ReadAt(small, 0); n < len(small) {
			return nil, false, err
		}
	}
	if size <= smallMost {
		return small, false, nil
	}
	refused := time.Now().Add(2 * limitFor(size))
	for ; ; err = s.pause(ctx, err) {
		if ctx.Err() != nil || err != nil && !s.n.silent(err) && time.Now().After(refused) {
			return nil, false, cmp.Or(err, ctx.Err())
		}
		if err = s.keepOnce(ctx, r, body, small, size); err == nil {
			return nil, size > inlineMost, nil
		}
	}
}

// silent reports whether something was not stored since nobody has answered; else the engine
// does not want it.
func (n *Node) silent(err error) bool {
	for _, silence := range []error{context.DeadlineExceeded, nats.ErrTimeout, nats.ErrNoResponders, jetstream.ErrNoStreamResponse} {
		if errors.Is(err, silence) {
			return true
		}
	}
	return !n.up.Load()
}

func (s *store) keepOnce(ctx context.Context, r *job.Record, body io.ReaderAt, whole []byte, size int64) error {
	ctx, cancel := context.WithTimeout(ctx, tryLimit+limitFor(size)-storeLimit)
	defer cancel()
	if size > inlineMost {
		return putObject(ctx, s.large, resultName(r), io.NewSectionReader(body, 0, size))
	}
	_, err := s.results.Put(ctx, resultName(r), whole)
	return err
}

// putObject stores an object, until ctx ends. The library takes back what it has of one that is
// not whole, as long as its own context has not ended: that one's does a little later.
func putObject(ctx context.Context, objects jetstream.ObjectStore, name string, body io.Reader) error {
	own := context.WithoutCancel(ctx)
	if end, limited := ctx.Deadline(); limited {
		var cancel context.CancelFunc
		own, cancel = context.WithDeadline(own, end.Add(askLimit))
		defer cancel()
	}
	_, err := objects.Put(own, jetstream.ObjectMeta{Name: name, Opts: &jetstream.ObjectMetaOptions{ChunkSize: inlineMost}}, until{ctx, body})
	return err
}

// until is what can be read until ctx ends.
type until struct {
	ctx context.Context
	io.Reader
}

func (u until) Read(b []byte) (int, error) {
	if err := context.Cause(u.ctx); err != nil {
		return 0, err
	}
	return u.Reader.Read(b)
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
		return read(ctx, s.large, resultName(r), r.Size)
	}
	if r.Size == int64(len(r.Small)) {
		return io.NopCloser(newBytes(r.Small)), nil
	}
	e, err := s.results.Get(ctx, resultName(r))
	if err != nil {
		return nil, err
	}
	return io.NopCloser(newBytes(e.Value())), nil
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
