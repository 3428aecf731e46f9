package jobs

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"strings"
	"time"

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

// wasQuicker reports whether another has changed a key in between, or does so just now, as one
// engine of several says it.
func wasQuicker(err error) bool {
	var api *jetstream.APIError
	return errors.Is(err, jetstream.ErrKeyExists) || errors.As(err, &api) &&
		(api.ErrorCode == jetstream.JSErrCodeStreamWrongLastSequence || api.ErrorCode == jetstream.JSErrCodeStreamWrongLastSequenceConstant)
}

// lookAtClasses prepares anew when another node has classes that are not known here.
func (n *Node) lookAtClasses(ctx context.Context) {
	s := n.store.Load()
	if s == nil {
		return
	}
	all, _, err := s.knownClasses(ctx)
	if err != nil {
		n.fill.stirred.Store(true) // soon again
		return
	}
	known := len(all)
	maps.Copy(all, classesOf(n.cfg.Routes)) // while a limit is changed two nodes do not undo each other's each second
	if len(all) != known || !maps.Equal(all, s.classes) {
		n.changed()
	}
}

// classForgottenAfter is for how long no node has named a class that is forgotten.
const classForgottenAfter = time.Minute

// forgetClasses takes those out of the store that no node's routes have any more and in which no
// job waits: each costs every slot a question, and that no other node is waited for. Unused says
// since when.
func (n *Node) forgetClasses(ctx context.Context, unused map[string]time.Time) error {
	s := n.store.Load()
	used := n.beats.classes()
	maps.Copy(used, classesOf(n.cfg.Routes))
	maps.DeleteFunc(unused, func(class string, _ time.Time) bool { _, known := s.classes[class]; return !known }) // another has forgotten it
	var gone []string
	for class := range s.classes {
		since, known := unused[class]
		_, isUsed := used[class]
		switch {
		case isUsed:
			delete(unused, class)
		case !known:
			unused[class] = time.Now()
		case time.Since(since) >= classForgottenAfter:
			gone = append(gone, class)
		}
	}
	for _, class := range gone {
		waits, err := n.anyWaits(ctx, class)
		if waits {
			continue
		}
		if err == nil {
			err = s.forgetClass(ctx, class)
		}
		if err != nil {
			return err
		}
		delete(unused, class)
		n.changed()
	}
	return nil
}

// anyWaits reports whether a job of a class is in a stream.
func (n *Node) anyWaits(ctx context.Context, class string) (bool, error) {
	for stream, kind := range map[string]string{n.names.sync: "sync", n.names.jobs: "jobs"} {
		s, err := n.js.Stream(ctx, stream)
		if err != nil {
			return false, err
		}
		info, err := s.Info(ctx, jetstream.WithSubjectFilter("girin."+n.names.app+"."+kind+".*."+class+".>"))
		if err != nil {
			return false, err
		}
		if len(info.State.Subjects) > 0 {
			return true, nil
		}
	}
	return false, nil
}

func (s *store) forgetClass(ctx context.Context, class string) error {
	all, revision, err := s.knownClasses(ctx)
	if _, there := all[class]; err != nil || !there {
		return err
	}
	delete(all, class)
	text, err := json.Marshal(all)
	if err == nil {
		_, err = s.meta.Update(ctx, classesKey, text, revision)
	}
	return err
}

// classes are those of other nodes' routes.
func (b *beats) classes() classes {
	b.mu.Lock()
	defer b.mu.Unlock()
	all := classes{}
	for _, h := range b.last { // also of who is silent for a while
		for _, class := range h.Classes {
			all[class] = 0
		}
	}
	return all
}

// limited reports whether only so many jobs of a class may run at once.
func (n *Node) limited(class string) bool {
	s := n.store.Load()
	return s != nil && s.classes[class] > 0
}
