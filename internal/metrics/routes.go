package metrics

import "time"

// Sums are what a route's requests came to since the server began, or since it met
// the route.
type Sums struct {
	Requests int64         // that have ended, whoever answered them
	Failed   int64         // of those, with a 5xx, the server's own 502 and 504 too
	Service  time.Duration // in the application
	Queue    time.Duration // until a thread began them
}

// Add adds others to s.
func (s *Sums) Add(o Sums) {
	s.Requests += o.Requests
	s.Failed += o.Failed
	s.Service += o.Service
	s.Queue += o.Queue
}

// Less is what s has more than o.
func (s Sums) Less(o Sums) Sums {
	return Sums{s.Requests - o.Requests, s.Failed - o.Failed, s.Service - o.Service, s.Queue - o.Queue}
}

// Route is a route by its name, with its sums.
type Route struct {
	Name string
	Sums
}
