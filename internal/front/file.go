package front

import (
	"errors"
	"fmt"
	"io"
	"os"
)

// fileBody is a part of a file that is the rest of an answer. It is read at
// offsets of its own: the descriptor's is the application's, and others may
// share it.
type fileBody struct {
	x      *exchange
	file   *os.File
	at     int64
	left   int64
	copied bool // sendfile(2) does not know this file
}

func (f *fileBody) advance(n int64) { f.at += n; f.left -= n }

// close gives the descriptor back.
func (f *fileBody) close() {
	f.file.Close()
	f.x.srv.held.Add(-1)
}

func (o *output) closeFileLocked() {
	o.file.close()
	o.file = nil
}

// fileStep is how much sendfile(2) is asked for at once.
const fileStep = 1 << 20

var (
	errNoSendFile = errors.New("this file cannot be sent by sendfile(2)")
	errUnreadable = errors.New("read")
)

// readUnlocked reads a file's next bytes, at least one. The lock is free
// meanwhile, as disks may be slow.
func (c *conn) readUnlocked(body *fileBody, buf []byte) ([]byte, error) {
	c.mu.Unlock()
	defer c.mu.Lock()
	n, err := body.file.ReadAt(buf[:min(int64(len(buf)), body.left)], body.at)
	body.advance(int64(n))
	switch {
	case n > 0:
		return buf[:n], nil
	case errors.Is(err, io.EOF):
		return nil, io.EOF
	}
	return nil, fmt.Errorf("%w: %w", errUnreadable, err)
}
