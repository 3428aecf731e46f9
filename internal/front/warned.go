package front

import "sync"

// warned keeps what is logged once from being logged again. It forgets when it
// holds too much.
type warned struct {
	mu   sync.Mutex
	said map[string]bool // guarded by mu
}

const warnedMost = 1000

func (w *warned) once(s *Server, key, text string) {
	w.mu.Lock()
	seen := w.said[key]
	if w.said == nil || len(w.said) > warnedMost {
		w.said = map[string]bool{}
	}
	w.said[key] = true
	w.mu.Unlock()
	if !seen {
		s.cfg.Log.Warningf("%s", text)
	}
}
