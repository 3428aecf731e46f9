package jobs

import (
	"context"
	"errors"
	"io"
	"strconv"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"girin/internal/jobs/job"
)

// resultName is of one attempt's result: who comes too late overwrites nothing.
func resultName(id job.ID, attempt int) string { return id.String() + "." + strconv.Itoa(attempt) }

// keep stores a result's body, and tries again while the engine does not take it.
func (s *store) keep(ctx context.Context, r *job.Record, body io.ReaderAt, size int64) (large bool, err error) {
	for ; ; err = s.pause(ctx, err) {
		if ctx.Err() != nil {
			return false, err
		}
		if large, err = s.keepOnce(ctx, r, body, size); err == nil {
			return large, nil
		}
	}
}

func (s *store) keepOnce(ctx context.Context, r *job.Record, body io.ReaderAt, size int64) (large bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, tryLimit+limitFor(size)-storeLimit)
	defer cancel()
	if size > inlineMost {
		return true, putObject(ctx, s.large, resultName(r.ID, r.Attempt), io.NewSectionReader(body, 0, size))
	}
	b := make([]byte, size)
	if _, err := body.ReadAt(b, 0); err != nil && size > 0 && !errors.Is(err, io.EOF) {
		return false, err
	}
	_, err = s.results.Put(ctx, resultName(r.ID, r.Attempt), b)
	return false, err
}

func putObject(ctx context.Context, objects jetstream.ObjectStore, name string, body io.Reader) error {
	_, err := objects.Put(ctx, jetstream.ObjectMeta{Name: name, Opts: &jetstream.ObjectMetaOptions{ChunkSize: inlineMost}}, body)
	return err
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
