package h2

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	"golang.org/x/net/http2"
)

func hello(k *call) { k.answer(200, "hello", "Content-Type", "text/plain") }

func TestARequestIsAnswered(t *testing.T) {
	r := &rig{end: hello}
	h := serve(t, r).begin()
	for id := uint32(1); id < 9; id += 2 {
		h.request(id, true, "user-agent", "test")
		head, body := h.answer(id)
		if head.PseudoValue("status") != "200" || len(head.Fields) != 2 || head.Fields[1].Value != "text/plain" || body != "hello" {
			t.Errorf("the answer is %v, %q", head.Fields, body)
		}
	}
	r.locked(func() {
		for _, k := range r.calls {
			if !k.over || k.value("user-agent") != "test" || !k.ends {
				t.Errorf("the request is %+v", k)
			}
		}
		if r.c.Streams() != 0 || len(r.c.streams) != 0 {
			t.Errorf("%d streams are left", r.c.Streams())
		}
	})
}

// A client of the field uploads and downloads more than every window.
func TestBodiesBeyondWindows(t *testing.T) {
	r := &rig{end: func(k *call) { k.answer(200, string(k.body), "X-A", strings.Repeat("a", 40000)) }}
	h := serve(t, r)
	transport := &http.Transport{Protocols: new(http.Protocols)}
	transport.Protocols.SetUnencryptedHTTP2(true)
	transport.DialContext = func(context.Context, string, string) (net.Conn, error) { return h.Conn, nil }
	defer transport.CloseIdleConnections()
	for _, size := range []int{1, 65535, 65536, 1 << 20} {
		sent := bytes.Repeat([]byte("0123456789abcde\n"), size/16+1)[:size]
		req, _ := http.NewRequest("POST", "http://x/", bytes.NewReader(sent))
		res, err := transport.RoundTrip(req)
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(res.Body)
		if err != nil || !bytes.Equal(got, sent) || len(res.Header.Get("X-A")) != 40000 {
			t.Errorf("of %d bytes %d came back, %v, %v", size, len(got), err, res.Header)
		}
	}
}

func TestTrailersAreTold(t *testing.T) {
	r := &rig{end: hello}
	h := serve(t, r).begin()
	h.request(1, false)
	h.must(0, h.WriteData(1, false, []byte("body")))
	h.must(0, h.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: h.encode("x-sum", "5"), EndStream: true, EndHeaders: true}))
	h.answer(1)
	r.locked(func() {
		if k := r.calls[0]; string(k.body) != "body" || len(k.later) != 1 || k.later[0].Value != "5" || k.ends {
			t.Errorf("the request is %+v", k)
		}
	})
}

func TestHeadsInManyFrames(t *testing.T) {
	r := &rig{end: hello}
	h := serve(t, r).begin()
	block := h.encode(append(append([]string(nil), plain...), "x-long", strings.Repeat("~", 9000))...)
	h.must(0, h.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: block[:10], EndStream: true}))
	h.must(0, h.WriteContinuation(1, false, block[10:4000]))
	h.must(0, h.WriteContinuation(1, true, block[4000:]))
	h.answer(1)
	r.locked(func() {
		if n := len(r.calls[0].value("x-long")); n != 9000 {
			t.Errorf("the field has %d bytes", n)
		}
	})
}

// Beyond the limit a head is cut, and the next one is decoded as well as before.
func TestHeadsBeyondTheLimit(t *testing.T) {
	r := &rig{end: func(k *call) { k.answer(200, fmt.Sprint(k.large)) }}
	h := serve(t, r, func(c *Config) { c.MaxHeaderList = 4096 }).begin()
	many := []string{"x-kept", "1"}
	for range 60 {
		many = append(many, "x-many", strings.Repeat("v", 60))
	}
	h.request(1, true, many...)
	if _, body := h.answer(1); body != "true" {
		t.Errorf("too large is %s", body)
	}
	h.request(3, true, "x-kept", "1", "x-many", strings.Repeat("v", 60))
	if _, body := h.answer(3); body != "false" {
		t.Errorf("too large is %s", body)
	}
	h.request(5, true, "x-long", strings.Repeat("~", 5000))
	h.wantAway(http2.ErrCodeCompression)
}

// What would break the connection's state ends it.
func TestConnectionErrors(t *testing.T) {
	raw := func(kind http2.FrameType, flags http2.Flags, id uint32, payload string) func(*client) {
		return func(h *client) { h.must(0, h.WriteRawFrame(kind, flags, id, []byte(payload))) }
	}
	open := func(then func(*client)) func(*client) {
		return func(h *client) { h.request(1, false); then(h) }
	}
	for name, test := range map[string]struct {
		send func(*client)
		code http2.ErrCode
	}{
		"even stream":                  {func(h *client) { h.request(2, true) }, http2.ErrCodeProtocol},
		"a stream before the last":     {func(h *client) { h.request(5, false); h.request(3, true) }, http2.ErrCodeStreamClosed},
		"data for an idle stream":      {raw(http2.FrameData, 0, 1, "x"), http2.ErrCodeProtocol},
		"data for stream 0":            {raw(http2.FrameData, 0, 0, "x"), http2.ErrCodeProtocol},
		"reset of an idle stream":      {raw(http2.FrameRSTStream, 0, 1, "\x00\x00\x00\x00"), http2.ErrCodeProtocol},
		"window of an idle stream":     {raw(http2.FrameWindowUpdate, 0, 1, "\x00\x00\x00\x01"), http2.ErrCodeProtocol},
		"window update of 0":           {raw(http2.FrameWindowUpdate, 0, 0, "\x00\x00\x00\x00"), http2.ErrCodeProtocol},
		"window beyond 2^31-1":         {raw(http2.FrameWindowUpdate, 0, 0, "\x7f\xff\xff\xff"), http2.ErrCodeFlowControl},
		"short window update":          {raw(http2.FrameWindowUpdate, 0, 0, "\x00"), http2.ErrCodeFrameSize},
		"short ping":                   {raw(http2.FramePing, 0, 0, "1234567"), http2.ErrCodeFrameSize},
		"settings of 5 bytes":          {raw(http2.FrameSettings, 0, 0, "12345"), http2.ErrCodeFrameSize},
		"settings of a stream":         {raw(http2.FrameSettings, 0, 1, ""), http2.ErrCodeProtocol},
		"a window setting too large":   {raw(http2.FrameSettings, 0, 0, "\x00\x04\x80\x00\x00\x00"), http2.ErrCodeFlowControl},
		"the second of two settings":   {raw(http2.FrameSettings, 0, 0, "\x00\x04\x00\x00\x00\x01\x00\x04\x80\x00\x00\x00"), http2.ErrCodeFlowControl},
		"a frame setting too small":    {raw(http2.FrameSettings, 0, 0, "\x00\x05\x00\x00\x00\x01"), http2.ErrCodeProtocol},
		"push":                         {raw(http2.FramePushPromise, http2.FlagPushPromiseEndHeaders, 1, "\x00\x00\x00\x02\x82"), http2.ErrCodeProtocol},
		"continuation of nothing":      {raw(http2.FrameContinuation, http2.FlagContinuationEndHeaders, 1, "\x82"), http2.ErrCodeProtocol},
		"ping within a block":          {func(h *client) { raw(http2.FrameHeaders, 0, 1, "\x82")(h); raw(http2.FramePing, 0, 0, "12345678")(h) }, http2.ErrCodeProtocol},
		"a block that is no HPACK":     {raw(http2.FrameHeaders, http2.FlagHeadersEndHeaders, 1, "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"), http2.ErrCodeCompression},
		"a block that ends too early":  {raw(http2.FrameHeaders, http2.FlagHeadersEndHeaders, 1, "\x40\x0aabc"), http2.ErrCodeCompression},
		"an index beyond the table":    {raw(http2.FrameHeaders, http2.FlagHeadersEndHeaders, 1, "\xfe"), http2.ErrCodeCompression},
		"more padding than block":      {raw(http2.FrameHeaders, http2.FlagHeadersEndHeaders|http2.FlagHeadersPadded, 1, "\x09\x82"), http2.ErrCodeProtocol},
		"more padding than data":       {open(raw(http2.FrameData, http2.FlagDataPadded, 1, "\x09x")), http2.ErrCodeProtocol},
		"padded data without a length": {open(raw(http2.FrameData, http2.FlagDataPadded, 1, "")), http2.ErrCodeFrameSize},
		"a frame too large":            {open(func(h *client) { h.must(0, h.WriteData(1, false, make([]byte, 16385))) }), http2.ErrCodeFrameSize},
		"more than the window": {func(h *client) {
			for id := uint32(1); id < 11; id += 2 { // of the connection
				h.request(id, false)
				for range 4 {
					h.must(0, h.WriteData(id, false, make([]byte, 16383)))
				}
			}
		}, http2.ErrCodeFlowControl},
		"headers of a stream that has ended": {func(h *client) { h.request(1, true); h.request(1, true) }, http2.ErrCodeStreamClosed},
	} {
		t.Run(name, func(t *testing.T) {
			r := &rig{head: func(k *call) { k.keep = true }}
			h := serve(t, r).begin()
			h.AllowIllegalWrites = true
			test.send(h)
			h.wantAway(test.code)
			var told *Error
			if err := <-r.served; err == nil || !asError(err, &told) || told.Code != test.code {
				t.Errorf("Serve returned %v", err)
			}
		})
	}
}

func asError(err error, to **Error) bool {
	e, ok := err.(*Error)
	*to = e
	return ok
}

func TestNoPreface(t *testing.T) {
	for name, bytes := range map[string]string{
		"HTTP/1.1":      "GET / HTTP/1.1\r\nHost: a\r\n\r\n.............",
		"no settings":   http2.ClientPreface + "\x00\x00\x08\x06\x00\x00\x00\x00\x0012345678",
		"acknowledging": http2.ClientPreface + "\x00\x00\x00\x04\x01\x00\x00\x00\x00",
	} {
		r := &rig{}
		h := serve(t, r)
		h.must(0, ignore(io.WriteString(h.Conn, bytes)))
		h.wantAway(http2.ErrCodeProtocol)
		t.Log(name)
	}
}

// What is wrong with a stream ends that stream alone.
func TestStreamErrors(t *testing.T) {
	for name, test := range map[string]struct {
		send func(*client)
		code http2.ErrCode
	}{
		"window update of 0":   {func(h *client) { h.must(0, h.WriteWindowUpdate(1, 0)) }, http2.ErrCodeProtocol},
		"window beyond 2^31-1": {func(h *client) { h.must(0, h.WriteWindowUpdate(1, 1<<31-1)) }, http2.ErrCodeFlowControl},
		"more than its window": {func(h *client) {
			for range 5 {
				h.must(0, h.WriteData(1, false, make([]byte, 16384)))
			}
		}, http2.ErrCodeFlowControl},
		"it depends on itself": {func(h *client) { h.must(0, h.WritePriority(1, http2.PriorityParam{StreamDep: 1})) }, http2.ErrCodeProtocol},
		"trailers without end": {func(h *client) {
			h.must(0, h.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: h.encode("x", "y"), EndHeaders: true}))
		}, http2.ErrCodeProtocol},
	} {
		t.Run(name, func(t *testing.T) {
			r := &rig{head: func(k *call) { k.keep = true }, end: hello}
			h := serve(t, r).begin()
			h.AllowIllegalWrites = true
			h.request(1, false)
			test.send(h)
			h.wantReset(1, test.code)
			h.request(3, true)
			h.answer(3)
			h.settle()
			r.locked(func() {
				if !r.calls[0].gone || r.calls[0].over {
					t.Errorf("the request is %+v", r.calls[0])
				}
				r.calls[0].s.Done()
				if !r.calls[0].over || r.c.Streams() != 0 {
					t.Error("the stream keeps its place")
				}
			})
		})
	}
}

func TestDataAfterTheEnd(t *testing.T) {
	wait := make(chan struct{})
	r := &rig{end: func(k *call) { <-wait; hello(k) }}
	h := serve(t, r).begin()
	h.request(1, true)
	h.must(0, h.WriteData(1, true, []byte("late")))
	close(wait)
	h.answer(1)
	h.wantReset(1, http2.ErrCodeStreamClosed)
}

// An answer that is complete before its request ends the request.
func TestAnAnswerBeforeTheBody(t *testing.T) {
	r := &rig{head: hello}
	h := serve(t, r).begin()
	h.request(1, false)
	h.answer(1)
	h.wantReset(1, http2.ErrCodeNo)
	for range 20 { // it did not know yet: its bytes are let in and dropped
		h.must(0, h.WriteData(1, false, make([]byte, 16384)))
	}
	h.request(3, true)
	h.answer(3)
}

// A stream that was left keeps its place until its call has ended.
func TestPlaces(t *testing.T) {
	r := &rig{}
	h := serve(t, r, func(c *Config) { c.MaxStreams = 2 }).begin()
	h.request(1, true)
	h.request(3, true)
	h.must(0, h.WriteRSTStream(1, http2.ErrCodeCancel))
	h.request(5, true)
	h.wantReset(5, http2.ErrCodeRefusedStream)
	r.locked(func() {
		if !r.calls[0].gone {
			t.Error("it was not told that its client left")
		}
		r.calls[0].s.Done()
	})
	h.request(7, true)
	h.settle()
	r.locked(func() {
		if len(r.calls) != 3 || r.c.Streams() != 2 {
			t.Errorf("%d requests came, %d have a place", len(r.calls), r.c.Streams())
		}
	})
}

func TestFarewell(t *testing.T) {
	r := &rig{end: func(k *call) {
		if k.s.ID() > 1 {
			hello(k)
		}
	}}
	h := serve(t, r).begin()
	h.request(1, true)
	h.settle()
	r.locked(r.c.Drain)
	f, ok := h.next().(*http2.GoAwayFrame)
	if !ok || f.LastStreamID != 1<<31-1 || f.ErrCode != http2.ErrCodeNo {
		t.Fatalf("the first farewell is %v", f)
	}
	h.request(3, true) // it was on its way
	h.answer(3)
	h.must(0, h.WritePing(true, leavingPing))
	if f, ok := h.next().(*http2.GoAwayFrame); !ok || f.LastStreamID != 3 || f.ErrCode != http2.ErrCodeNo {
		t.Fatalf("the second farewell is %v", f)
	}
	h.request(5, true) // nobody answers it
	r.locked(func() {
		if r.c.Over() {
			t.Error("over before its last stream")
		}
	})
	hello(r.calls[0])
	h.answer(1)
	r.locked(func() {
		if !r.c.Over() {
			t.Error("not over after its last stream")
		}
	})
	h.must(0, h.WritePing(false, [8]byte{}))
	if err := <-r.served; err != ErrOver {
		t.Errorf("Serve returned %v", err)
	}
}
