package plan

import "time"

// What is assumed of a visit before one has been made. The lab's progress corrects it.
const (
	startTakes     = 2500 * time.Millisecond // a server's start, its settling, the probes and the warm-up
	loadTakes      = 150 * time.Millisecond  // to start the load generators
	computingTakes = 30 * time.Millisecond
	lightTakes     = 2 * time.Millisecond
)

// Takes estimates how long one block takes.
func (p *Plan) Takes(settings []Setting, cores int) time.Duration {
	var all time.Duration
	for _, s := range settings {
		for _, v := range p.visits(1, s) {
			all += startTakes
			for _, sc := range v.Scenarios {
				for _, ph := range sc.Phases {
					all += loadTakes + ph.takes(s, cores)
				}
			}
		}
	}
	return all
}

// takes estimates how long a phase takes on a setting.
func (ph Phase) takes(s Setting, cores int) time.Duration {
	longest := ph.Duration.Std()
	for _, stream := range ph.Streams {
		each, atOnce := stream.Takes.Std(), stream.Load.Clients
		switch {
		case stream.Load.Requests == 0:
			continue
		case stream.Kind == Computing:
			each, atOnce = max(each, computingTakes), min(atOnce, cores, max(1, s.Workers))
		case each == 0:
			each = lightTakes
		}
		if slots := s.Slots(); slots > 0 {
			atOnce = min(atOnce, slots)
		}
		rounds := (stream.Load.Requests + atOnce - 1) / max(atOnce, 1)
		longest = max(longest, time.Duration(rounds)*each)
	}
	return longest
}
