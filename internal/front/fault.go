package front

import (
	"bytes"
	"html/template"

	"girin/internal/http1"
)

// ShowFault makes every request be answered with a page that shows why the
// application cannot be loaded, until it is called with "". It is for a
// developer's own machine.
func (s *Server) ShowFault(text string) {
	if text == "" {
		s.fault.Store(nil)
		return
	}
	var page bytes.Buffer
	if err := faultPage.Execute(&page, text); err != nil {
		s.cfg.Log.Errorf("fault page: %v", err)
		return
	}
	b := page.Bytes()
	s.fault.Store(&b)
}

// faultPage asks again by itself, so that it heals when the file does.
var faultPage = template.Must(template.New("fault").Parse(`<!doctype html>
<html lang="en"><meta charset="utf-8"><meta http-equiv="refresh" content="1">
<meta name="viewport" content="width=device-width"><title>The application cannot be loaded</title>
<style>
:root { color-scheme: light dark }
body { font: 16px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 60rem; padding: 0 1rem }
pre { overflow-x: auto; padding: 1rem; border-left: 4px solid #c33; background: #8881 }
</style>
<h1>The application cannot be loaded</h1>
<pre>{{.}}</pre>
<p>This page goes away when the file is mended. It is shown because of <code>--reload</code>, and only on this machine.
</html>
`))

// answerFault sends the page.
func (c *conn) answerFault(page []byte) bool {
	return c.answer("500 Internal Server Error", htmlText, page)
}

const (
	plainText = "text/plain; charset=utf-8"
	htmlText  = "text/html; charset=utf-8"
)

// answer gives a response of the front's own to a request, whose body is read
// and not kept. It reports whether another request may follow.
func (c *conn) answer(status, contentType string, body []byte) bool {
	c.reply.record.keep(&c.exchange)
	c.in.consumed()
	if !c.skipBody() {
		return false
	}
	c.in.consumed()
	code, _ := http1.StatusCode(status)
	if c.own(code, contentType, body) {
		c.linger(0)
		return false
	}
	return true
}

// own gives a response of the front's own, and reports whether it is the last.
func (c *conn) own(status int, contentType string, body []byte) (last bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.reply.begin(&c.exchange)
	c.ownLocked(status, contentType, body)
	return c.reply.last
}

// skipBody reads the request's body to its end, and keeps nothing of it.
func (c *conn) skipBody() bool {
	c.body.discard(c.srv)
	if c.req.ContentLength == 0 && !c.req.Chunked {
		c.body.whole = true
		return true
	}
	if c.req.Expect100 && c.in.empty() {
		c.sendContinue()
	}
	c.stage.enter(stageBody)
	c.body.chunks.Reset()
	for left := c.req.ContentLength; ; {
		data, done, verdict := c.bodyParts(&left)
		if came, limit := c.body.came.Add(int64(len(data))), c.srv.asked.Load().MaxBody; limit > 0 && came > limit {
			verdict = errTooLarge
		}
		switch {
		case verdict != nil:
			return c.refuse(verdict)
		case done:
			c.body.whole = true
			return true
		}
		c.in.discard()
		if !c.more() {
			return false
		}
	}
}
