package serve

import "time"

// stacksEvery is for how long the stacks of a worker that were just written say
// enough: of a hundred requests that are given up together each would bring all
// of them, 66 KB in a worker of 100 threads.
const stacksEvery = 2 * time.Second

// stacks remembers when workers were last asked for their stacks. It is used by
// one goroutine.
type stacks struct {
	asked map[int]time.Time // by pid
}

// ask reports whether a worker is to be asked for them now.
func (s *stacks) ask(pid int, now time.Time) bool {
	for p, at := range s.asked {
		if now.Sub(at) >= stacksEvery {
			delete(s.asked, p)
		}
	}
	if _, just := s.asked[pid]; just {
		return false
	}
	if s.asked == nil {
		s.asked = map[int]time.Time{}
	}
	s.asked[pid] = now
	return true
}
