package soak

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"io"
)

// blockSize, fileSeed and fileSize are those of testdata/soakapp.py.
const (
	blockSize = 1 << 16
	fileSeed  = 63
	fileSize  = 3 << 20
	seeds     = 63 // the clients' choice; the last one is the file's
)

// blocks are what each seed's bytes consist of.
var blocks = func() (all [seeds + 1][]byte) {
	for seed := range all {
		all[seed] = make([]byte, blockSize)
		for i := range all[seed] {
			all[seed][i] = byte(seed*31 + i*7 + (i>>8)*13)
		}
	}
	return all
}()

// content gives the bytes that belong to a seed.
type content struct {
	seed, size, at int
}

func (c *content) Read(b []byte) (n int, err error) {
	if c.at == c.size {
		return 0, io.EOF
	}
	for n < len(b) && c.at < c.size {
		k := c.piece(b[n:])
		n += k
		c.at += k
	}
	return n, nil
}

// piece copies from the place reached to the end of its block at most.
func (c *content) piece(b []byte) int {
	number, within := c.at/blockSize, c.at%blockSize
	left := min(len(b), c.size-c.at, blockSize-within)
	if within < 8 {
		var head [8]byte
		binary.BigEndian.PutUint64(head[:], uint64(number))
		return copy(b[:min(left, 8-within)], head[within:])
	}
	return copy(b[:left], blocks[c.seed][within:])
}

// check compares what came with what belongs there; whole: it must all be there.
func (c *content) check(got io.Reader, whole bool) error {
	a, b := make([]byte, 32<<10), make([]byte, 32<<10)
	for {
		n, err := got.Read(a)
		if m, _ := io.ReadFull(c, b[:n]); m < n {
			return fmt.Errorf("more than %d bytes came", c.size)
		}
		if !bytes.Equal(a[:n], b[:n]) {
			return fmt.Errorf("wrong bytes before byte %d of %d, seed %d", c.at, c.size, c.seed)
		}
		switch {
		case err == io.EOF && whole && c.at != c.size:
			return fmt.Errorf("it looked whole with %d of %d bytes", c.at, c.size)
		case err == io.EOF:
			return nil
		case err != nil:
			return brokenOff{err}
		}
	}
}

// brokenOff is an answer that ended, visibly, before its end.
type brokenOff struct{ error }

// digest is what the app says of a body.
func digest(seed, size int) string {
	h := sha256.New()
	_, _ = io.Copy(h, &content{seed: seed, size: size})
	return fmt.Sprintf("%d %s", size, hex.EncodeToString(h.Sum(nil)))
}
