package soak

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"
)

// transport is the client's HTTP/2 connection.
func (c *client) transport() *http.Transport {
	if c.h2 == nil {
		c.h2 = &http.Transport{
			TLSClientConfig:   &tls.Config{InsecureSkipVerify: true, ServerName: "localhost", NextProtos: []string{"h2"}},
			ForceAttemptHTTP2: true, DisableCompression: true,
		}
	}
	return c.h2
}

// drop2 closes the connection with all its streams.
func (c *client) drop2() {
	if c.h2 != nil {
		c.h2.CloseIdleConnections()
		c.h2 = nil
	}
}

// ask2 makes a request over HTTP/2. Its error is noted.
func (c *client) ask2(ctx context.Context, method, target string, body io.Reader) *http.Response {
	r, err := http.NewRequestWithContext(ctx, method, "https://"+c.server.addr+target, body)
	if err != nil {
		c.outcomes.bad("%v", err)
		return nil
	}
	res, err := c.transport().RoundTrip(r)
	switch {
	case err == nil && res.ProtoMajor != 2:
		c.outcomes.bad("h2 %s: it came over %s", target, res.Proto)
		res.Body.Close()
		return nil
	case errors.Is(err, context.Canceled):
		return nil
	case err != nil:
		c.judge2("h2 "+target, err)
		return nil
	}
	return res
}

// judge2 notes how a request failed.
func (c *client) judge2(what string, err error) {
	var timeout net.Error
	if errors.Is(err, context.DeadlineExceeded) || errors.As(err, &timeout) && timeout.Timeout() {
		c.outcomes.bad("%s: no answer in %v: %v", what, patience, err)
		return
	}
	if text := err.Error(); strings.Contains(text, "PROTOCOL_ERROR") || strings.Contains(text, "ENHANCE_YOUR_CALM") || strings.Contains(text, "FLOW_CONTROL") || strings.Contains(text, "COMPRESSION") {
		c.outcomes.bad("%s: %v", what, err)
		return
	}
	c.outcomes.fail("h2 cut: " + err.Error())
}

func (c *client) within() (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.Background(), patience)
}

func (c *client) exchange2(what, method, target string, body io.Reader, check func(io.Reader) error) {
	ctx, cancel := c.within()
	defer cancel()
	res := c.ask2(ctx, method, target, body)
	if res == nil {
		return
	}
	defer res.Body.Close()
	c.judgeAnswer(what, res, check)
}

func (c *client) get2() {
	target, check := c.target()
	c.exchange2("h2 "+target, "GET", target, nil, check)
}

func (c *client) upload2() {
	seed, size := c.bodySize()
	c.exchange2("h2 upload", "POST", "/digest", struct{ io.Reader }{&content{seed: seed, size: size}}, exactly(digest(seed, size)))
}

// many2 makes several requests at once on one connection.
func (c *client) many2() {
	var group sync.WaitGroup
	for range 2 + c.rand.IntN(6) {
		target, check := c.target()
		if c.rand.IntN(3) == 0 {
			target, check = "/file", contentOf(fileSeed, fileSize)
		}
		c.transport()
		group.Go(func() { c.exchange2("h2 many "+target, "GET", target, nil, check) })
	}
	group.Wait()
}

// cancel2 resets its stream at any moment.
func (c *client) cancel2() {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	after := time.Duration(c.rand.IntN(20_000)) * time.Microsecond
	stop := time.AfterFunc(after, cancel)
	defer stop.Stop()
	defer c.outcomes.left.Add(1)
	target, _ := c.target()
	method, body := "GET", io.Reader(nil)
	if c.rand.IntN(2) == 0 {
		method, target, body = "POST", "/digest", struct{ io.Reader }{&content{size: 200_000}}
	}
	if res := c.ask2(ctx, method, target, body); res != nil {
		_, _ = io.CopyN(io.Discard, res.Body, 100_000)
		cancel()
		res.Body.Close()
	}
}

// slow2 lets its window run full for a while.
func (c *client) slow2() {
	seed, size := c.rand.IntN(seeds), 3_000_000
	c.exchange2("h2 slow", "GET", fmt.Sprintf("/pieces?seed=%d&size=%d", seed, size), nil, func(r io.Reader) error {
		time.Sleep(time.Duration(c.rand.IntN(500)) * time.Millisecond)
		return (&content{seed: seed, size: size}).check(r, true)
	})
}
