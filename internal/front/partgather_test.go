package front

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"girin/internal/wire"
)

func rests(c *Config) { c.Rests = true }

// Small parts of an answer that a worker has written together leave together.
func TestSmallPartsLeaveTogether(t *testing.T) {
	overEach(t, func(t *testing.T, o over) {
		sent, goOn := make(chan bool), make(chan bool)
		s := o.serve(t, func(c *appCall) {
			c.start("200 OK")
			for range 5 {
				c.block([]byte("part,"))
			}
			sent <- true
			<-goOn
			c.block([]byte("last"))
			c.end()
		}, rests)
		c := o.connect(t, s)
		c.send(simpleGet)
		<-sent
		res, err := http.ReadResponse(c.in, nil)
		if err != nil {
			t.Fatal(err)
		}
		_ = c.SetReadDeadline(time.Now().Add(50 * time.Millisecond))
		if b, err := c.in.Peek(1); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("%q came before the worker rested: %v", b, err)
		}
		_ = c.SetReadDeadline(time.Now().Add(10 * time.Second))
		s.Rest()
		first := make([]byte, len("part,")*5)
		if _, err := io.ReadFull(res.Body, first); err != nil {
			t.Fatal(err)
		}
		close(goOn) // the end takes along what was gathered since
		rest, err := io.ReadAll(res.Body)
		if got := string(first) + string(rest); got != strings.Repeat("part,", 5)+"last" || err != nil {
			t.Errorf("the body is %q, %v", got, err)
		}
		s.wantNothingHeld(t)
	})
}

// Whatever their sizes, parts come in their order and whole.
func TestPartsOfAnySizeKeepTheirOrder(t *testing.T) {
	overEach(t, func(t *testing.T, o over) {
		sizes := []int{1, 5000, 8192, 8193, 3, 60_000, 8000, 8000, 8000, 1, 2, 40_000, 7}
		var want []byte
		for i, n := range sizes {
			want = append(want, bytes.Repeat([]byte{byte('a' + i)}, n)...)
		}
		for _, length := range []bool{false, true} {
			s := o.serve(t, func(c *appCall) {
				if length {
					c.start("200 OK", "Content-Length", strconv.Itoa(len(want)))
				} else {
					c.start("200 OK")
				}
				at := 0
				for i, n := range sizes {
					c.block(want[at : at+n])
					if at += n; i%4 == 3 {
						c.app.server.Load().Rest()
					}
				}
				c.end()
			}, rests)
			s.app.server.Store(s.Server)
			c := o.connect(t, s)
			for range 3 {
				c.send(simpleGet)
				if _, body := c.response("GET"); body != string(want) {
					t.Fatalf("%d bytes came, not the %d in their order", len(body), len(want))
				}
			}
		}
	})
}

// An answer that is cut ends after what the application has sent of it.
func TestWhatWasSentBeforeACutArrives(t *testing.T) {
	overEach(t, func(t *testing.T, o over) {
		s := o.serve(t, func(c *appCall) {
			c.start("200 OK")
			c.block([]byte("all of this"))
			c.fail()
		}, rests)
		c := o.connect(t, s)
		c.send(simpleGet)
		res, err := http.ReadResponse(c.in, nil)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(res.Body)
		if string(body) != "all of this" || err == nil {
			t.Errorf("%q came before the cut: %v", body, err)
		}
	})
}

// A client that leaves takes what was gathered for it along.
func TestAClientLeavesWithGatheredParts(t *testing.T) {
	overEach(t, func(t *testing.T, o over) {
		sent, left := make(chan bool), make(chan bool)
		s := o.serve(t, func(c *appCall) {
			c.start("200 OK")
			c.block([]byte("part"))
			sent <- true
			for <-c.granted != wire.Cancelled {
			}
			c.fail()
			close(left)
		}, rests)
		c := o.connect(t, s)
		c.send(simpleGet)
		<-sent
		c.reset()
		<-left
		s.Rest()
		waitFor(t, func() bool { return s.Conns() == 0 })
		s.wantNothingHeld(t)
	})
}
