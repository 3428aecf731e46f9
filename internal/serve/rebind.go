package serve

import (
	"fmt"
	"os"

	"girin/internal/config"
)

// rebinding is a change of the addresses that the server listens on, by a reload:
//
//	new sockets listen     before anything else: an address that cannot be had ends the reload
//	they are accepted from when all workers from before have ended, which do not know them;
//	                       meanwhile who connects there waits
//	old sockets close      then, without a reset
type rebinding struct {
	fresh, old []int // indices of sockets
}

// rebind opens what settings have and the server has not.
func (s *server) rebind(c *config.Config) (r rebinding, err error) {
	addresses, err := c.Addresses()
	if err != nil || s.inherited {
		return r, err
	}
	wanted, had := map[string]bool{}, map[string]bool{}
	for _, a := range addresses {
		wanted[a.String()] = true
	}
	all := s.sockets.list()
	for i, l := range all {
		switch {
		case l.gone:
		case wanted[l.address]:
			had[l.address] = true
		default:
			r.old = append(r.old, i)
		}
	}
	for _, a := range addresses {
		if had[a.String()] {
			continue
		}
		if len(all)+len(r.fresh) >= mostSockets {
			err = fmt.Errorf("the server has listened on %d addresses: start it again for others", mostSockets)
		}
		index := 0
		if err == nil {
			index, err = s.bind(a, c)
		}
		if err != nil {
			s.undo(r)
			return rebinding{}, err
		}
		r.fresh = append(r.fresh, index)
	}
	return r, nil
}

// undo gives up what rebind has opened.
func (s *server) undo(r rebinding) {
	for _, i := range r.fresh {
		s.sockets.give(i).Close()
	}
}

// settle takes a change into effect, or gives it up. It is called by the supervisor.
func (s *server) settle(r rebinding, well bool) {
	if !well {
		s.undo(r)
		return
	}
	all := s.sockets.list()
	for _, i := range r.fresh {
		s.front.Serve(all[i].Listener, uint8(i))
		s.log.Infof("Listening at: %s (%d)", urlOf(all[i], s.cfg.TLS()), os.Getpid())
	}
	for _, i := range r.old {
		s.front.Retire(s.sockets.give(i))
		s.log.Infof("No longer listening at: %s", urlOf(all[i], s.cfg.TLS()))
	}
}
