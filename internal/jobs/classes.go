package jobs

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"strings"

	"github.com/nats-io/nats.go/jetstream"

	"girin/internal/offload"
)

// classes are the lines that jobs wait in (see offload.Route.Class), with how many of one
// may run at once; 0: as many as there is room for. They are in the store, so that nodes
// that know no routes ask for their jobs as well.
type classes map[string]int

// classesKey is where the store has them.
const classesKey = "classes"

// classesOf are those of a node's own routes.
func classesOf(routes offload.Routes) classes {
	own := classes{}
	for i := range routes {
		own[routes[i].Class()] = routes[i].Limit
	}
	return own
}

// ofPriority are the classes of a priority in another order each turn, so that none of
// them is always asked for last.
func (c classes) ofPriority(priority string, turn uint32) []string {
	all := []string{priority}
	for _, name := range slices.Sorted(maps.Keys(c)) {
		if strings.HasPrefix(name, priority+"-") {
			all = append(all, name)
		}
	}
	first := int(turn % uint32(len(all)))
	return append(all[first:], all[:first]...)
}

// openClasses adds the node's own to those that the store knows, and returns all.
func (s *store) openClasses(ctx context.Context, own classes) (classes, error) {
	for {
		all, revision, err := s.knownClasses(ctx)
		if err != nil {
			return nil, err
		}
		before := maps.Clone(all)
		maps.Copy(all, own)
		if maps.Equal(before, all) {
			return all, nil
		}
		text, err := json.Marshal(all)
		if err != nil {
			return nil, err
		}
		if revision == 0 {
			_, err = s.meta.Create(ctx, classesKey, text)
		} else {
			_, err = s.meta.Update(ctx, classesKey, text, revision)
		}
		if err == nil {
			return all, nil
		}
		if !wasQuicker(err) {
			return nil, err
		}
	}
}

func (s *store) knownClasses(ctx context.Context) (all classes, revision uint64, err error) {
	e, err := s.meta.Get(ctx, classesKey)
	if errors.Is(err, jetstream.ErrKeyNotFound) {
		return classes{}, 0, nil
	}
	if err == nil {
		revision, err = e.Revision(), json.Unmarshal(e.Value(), &all)
	}
	return all, revision, err
}

// wasQuicker reports whether another has changed a key in between.
func wasQuicker(err error) bool {
	var api *jetstream.APIError
	return errors.Is(err, jetstream.ErrKeyExists) || errors.As(err, &api) && api.ErrorCode == jetstream.JSErrCodeStreamWrongLastSequence
}

// lookAtClasses prepares anew when another node has classes that are not known here.
func (n *Node) lookAtClasses(ctx context.Context) {
	s := n.store.Load()
	if s == nil {
		return
	}
	all, _, err := s.knownClasses(ctx)
	if err != nil {
		return
	}
	maps.Copy(all, classesOf(n.cfg.Routes)) // while a limit is changed two nodes do not undo each other's each second
	if !maps.Equal(all, s.classes) {
		n.changed()
	}
}

// limited reports whether only so many jobs of a class may run at once.
func (n *Node) limited(class string) bool {
	s := n.store.Load()
	return s != nil && s.classes[class] > 0
}
