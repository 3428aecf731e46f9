package supervisor

import (
	"fmt"
	"math/rand/v2"
	"time"
)

// Recycle says when a worker is replaced although nothing is wrong with it.
// Zero means never.
type Recycle struct {
	Requests int   // after so many
	Jitter   int   // and a random number up to this more
	Memory   int64 // bytes of private memory
}

// exactUpTo is how many requests a worker counts itself: it takes no more, so that
// max_requests is exact, and requests wait until the next worker is ready. With more the
// next one is started first, and the worker goes on until then.
const exactUpTo = 100

// Lifetime draws after how many requests a worker takes no more; 0: that is not its
// own affair.
func (r Recycle) Lifetime() int {
	if n := r.draw(); r.exact() {
		return n
	}
	return 0
}

// untilReplaced draws how many requests a worker may answer; 0: any number.
func (r Recycle) untilReplaced() int64 {
	if r.exact() {
		return 0
	}
	return int64(r.draw())
}

func (r Recycle) exact() bool { return r.Requests <= exactUpTo }

func (r Recycle) draw() int {
	if r.Requests <= 0 {
		return 0
	}
	return r.Requests + rand.IntN(max(r.Jitter, 0)+1)
}

// lookEvery is how often workers are looked at: their count of requests and
// their memory.
const lookEvery = time.Second

// recycle marks the workers that have lived long enough.
func (s *Supervisor) recycle() {
	for _, m := range s.members {
		if m.state != serving || m.why != "" {
			continue
		}
		if m.w.Retires() {
			m.why = "it was told to end, by SIGTERM or a hook"
		} else if n := m.w.Answered(); m.lifetime > 0 && n >= m.lifetime {
			m.why = fmt.Sprintf("it has answered %d requests", n)
		} else if most := m.mostMemory; most > 0 {
			s.measure(m)
			if m.memory > most {
				m.why = fmt.Sprintf("it has %d MiB of private memory, the limit is %d MiB", m.memory>>20, most>>20)
			}
		}
	}
}

// measure asks for a worker's memory, which takes longer the more it has.
func (s *Supervisor) measure(m *member) {
	if m.measuring {
		return
	}
	m.measuring = true
	go func() {
		has := m.w.Memory()
		s.do(func() { m.memory, m.measuring = has, false })
	}()
}
