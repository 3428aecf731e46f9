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

// answerHealth says whether a worker is ready.
func (c *conn) answerHealth() bool {
	status, text := c.srv.health()
	return c.answer(status, plainText, text)
}

func (s *Server) health() (status string, text []byte) {
	if s.cfg.Ready() {
		return "200 OK", []byte("ok\n")
	}
	return "503 Service Unavailable", []byte("no worker is ready\n")
}

const (
	plainText = "text/plain; charset=utf-8"
	htmlText  = "text/html; charset=utf-8"
)

// answer gives a response of the front's own, and reports whether another
// request may follow.
func (c *conn) answer(status, contentType string, body []byte) bool {
	c.reply.record.keep(&c.exchange)
	c.in.consumed()
	if !c.readBody() {
		return false
	}
	c.in.consumed()
	b := http1.AppendStatusLine(nil, 1, status)
	b = c.srv.commonFields(b)
	b = http1.AppendField(b, "Content-Type", contentType)
	b = http1.AppendContentLength(b, int64(len(body)))
	c.mu.Lock()
	defer c.mu.Unlock()
	c.reply.begin(c)
	b = http1.AppendEndOfHead(c.reply.appendConnection(b))
	if c.isHead {
		body = nil
	}
	code, _ := http1.StatusCode(status)
	c.reply.refused(code)
	c.reply.sent = int64(len(body))
	c.sendLocked(b, body, nil)
	c.endLocked()
	return !c.reply.last
}
