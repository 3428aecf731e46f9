package jobs

import (
	"encoding/json"
	"fmt"
	"net/http"
	"time"
)

// events writes server-sent events to one who watches. Whoever does not take them in time
// is left.
type events struct {
	w  http.ResponseWriter
	rc *http.ResponseController
}

const (
	eventLimit = 10 * time.Second // for one event to be taken
	eventQuiet = 15 * time.Second // after which something is said, so that nobody believes the other gone
	watchMost  = 32               // how many may watch at once
)

// watch begins events, if there are not too many who watch. stop ends them.
func (n *Node) watch(w http.ResponseWriter) (e *events, stop func(), ok bool) {
	if n.watchers.Add(1) > watchMost {
		n.watchers.Add(-1)
		w.Header().Set("Retry-After", "10")
		plain(w, http.StatusServiceUnavailable, "too many watch already")
		return nil, nil, false
	}
	e = &events{w, http.NewResponseController(w)}
	_ = e.rc.SetReadDeadline(time.Time{}) // of servers whose requests must be short
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(http.StatusOK)
	return e, func() { n.watchers.Add(-1) }, true
}

func (e *events) send(name string, v any) error { return e.write(event(name, v)) }

// event is one as it is written. What is told can be told as JSON.
func event(name string, v any) string {
	text, _ := json.Marshal(v)
	return fmt.Sprintf("event: %s\ndata: %s\n\n", name, text)
}

// quiet says that the watching goes on.
func (e *events) quiet() error { return e.write(": it goes on\n\n") }

func (e *events) write(text string) error {
	_ = e.rc.SetWriteDeadline(time.Now().Add(eventLimit))
	if _, err := e.w.Write([]byte(text)); err != nil {
		return err
	}
	return e.rc.Flush()
}
