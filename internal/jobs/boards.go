package jobs

import (
	"context"
	"sync"
	"time"

	"girin/internal/jobs/job"
)

// boards is the board that all see who look at it: one reads the records for all of them,
// for as long as somebody looks.
type boards struct {
	entered chan struct{} // has a word when somebody has begun to look

	mu      sync.Mutex
	viewers int           // guarded by mu
	text    string        // guarded by mu: the event; "": there is none yet
	next    chan struct{} // guarded by mu: closed when there is another
}

func (b *boards) init() {
	b.entered, b.next = make(chan struct{}, 1), make(chan struct{})
}

// enter begins to look, until leave.
func (b *boards) enter() (leave func()) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.viewers++
	select {
	case b.entered <- struct{}{}:
	default:
	}
	return func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		if b.viewers--; b.viewers == 0 {
			b.text = "" // it will be old when the next one looks
		}
	}
}

func (b *boards) watched() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.viewers > 0
}

func (b *boards) latest() (text string, next chan struct{}) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text, b.next
}

func (b *boards) show(board *Board) {
	text := event("board", board)
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.viewers > 0 {
		b.text = text
	}
	close(b.next)
	b.next = make(chan struct{})
}

// drawBoards draws the board while somebody looks at it.
func (n *Node) drawBoards() {
	for n.ctx.Err() == nil {
		if !n.boards.watched() {
			select {
			case <-n.ctx.Done():
			case <-n.boards.entered:
			}
			continue
		}
		if s := n.store.Load(); s != nil && n.up.Load() {
			n.drawFrom(s)
		} else {
			n.boards.show(n.board(nil))
		}
		select {
		case <-n.ctx.Done():
		case <-time.After(boardEvery):
		}
	}
}

// drawFrom draws boards of a store until that is another's or away, or nobody looks any more.
func (n *Node) drawFrom(s *store) {
	ctx, cancel := context.WithCancel(n.ctx)
	defer cancel()
	w, err := s.records.WatchAll(ctx)
	if err != nil {
		n.boards.show(n.board(nil))
		return
	}
	defer func() { _ = w.Stop() }()
	known := map[job.ID]*job.Record{}
	whole, changed := false, false // all was read that was there; something has come since
	var last time.Time
	look := time.NewTicker(boardEvery)
	defer look.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case u, ok := <-w.Updates():
			switch {
			case !ok:
				return
			case u == nil:
				whole = true
			default:
				n.takeRecord(known, u)
			}
			if changed = true; u != nil || !whole {
				continue
			}
		case <-look.C:
			if n.store.Load() != s || !n.up.Load() || !n.boards.watched() {
				return
			}
			if !whole || !changed && time.Since(last) < boardStill {
				continue
			}
		}
		changed, last = false, time.Now()
		n.boards.show(n.board(known))
	}
}
