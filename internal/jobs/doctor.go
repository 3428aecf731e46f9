package jobs

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"girin/internal/jobs/job"
)

// Finding is something that was looked at, and what to do about it.
type Finding struct {
	Level string `json:"level"` // ok, note or bad
	What  string `json:"what"`
	Do    string `json:"do,omitempty"`
}

// The levels of findings.
const (
	FoundOK  = "ok"
	FoundOdd = "note" // worth a look
	FoundBad = "bad"  // something does not work
)

func found(level, do, format string, args ...any) Finding {
	return Finding{Level: level, What: fmt.Sprintf(format, args...), Do: do}
}

const (
	doctorLimit = 10 * time.Second
	slowEngine  = 50 * time.Millisecond // for a round trip
	longQueue   = 10 * time.Minute      // that a job waits although a slot is free
	clockOdd    = 2 * time.Second
	clockBad    = 30 * time.Second
	namedJobs   = 10 // jobs that are named one by one
)

// examine looks at all that jobs need.
func (n *Node) examine(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), doctorLimit)
	defer cancel()
	writeJSON(w, http.StatusOK, map[string]any{"findings": n.findings(ctx)})
}

func (n *Node) findings(ctx context.Context) []Finding {
	all := n.examineEngine()
	all = append(all, n.examineRoom()...)
	all = append(all, n.examinePeers()...)
	if s := n.store.Load(); s != nil && n.up.Load() {
		for _, look := range []func(context.Context, *store) ([]Finding, error){n.examineStreams, n.examineConsumers, n.examineJobs, n.examineHooks} {
			more, err := look(ctx, s)
			if err != nil {
				more = append(more, found(FoundBad, "look into the log of the engine", "the engine does not tell: %v", err))
			}
			all = append(all, more...)
		}
	}
	return all
}

func (n *Node) examineEngine() []Finding {
	if !n.up.Load() {
		why := "it is not there yet"
		if err := n.nc.LastError(); err != nil {
			why = err.Error()
		}
		do := "the server starts its engine again by itself: its log says why it ends; a full or read-only --offload-dir is the usual reason"
		if n.cfg.URL != "" && !n.cfg.Own {
			do = "see that " + withoutPasswords(n.cfg.URL) + " can be reached from here, and that --offload-key and --offload-tls-ca are those of that server"
		}
		return []Finding{found(FoundBad, do, "the engine does not answer (%s): clients that wait are served here, and no job is accepted", why)}
	}
	rtt, err := n.nc.RTT()
	if err != nil {
		return []Finding{found(FoundBad, "wait a moment and ask again", "the engine has just gone: %v", err)}
	}
	f := found(FoundOK, "", "the engine answers: NATS %s, %s away", n.nc.ConnectedServerVersion(), rtt.Round(10*time.Microsecond))
	if rtt > slowEngine {
		f.Level, f.Do = FoundOdd, "each job pays this several times: bring the servers nearer to each other, or give the engine more of a core"
	}
	return []Finding{f}
}

// withoutPasswords are the addresses of an engine, as anybody may see them.
func withoutPasswords(urls string) string {
	all := strings.Split(urls, ",")
	for i, text := range all {
		if at := strings.LastIndexByte(text, '@'); at >= 0 {
			scheme, _, found := strings.Cut(text, "://")
			all[i] = text[at+1:]
			if found {
				all[i] = scheme + "://" + all[i]
			}
		}
	}
	return strings.Join(all, ",")
}

func (n *Node) examineRoom() []Finding {
	switch {
	case n.cfg.MaxBytes > 0 && n.fill.bytes.Load() >= n.cfg.MaxBytes:
		return []Finding{found(FoundBad, "let results go sooner (--offload-keep), or give more room (--offload-max)", "what is stored has reached its limit of %s: new jobs are refused with 503", mib(uint64(n.cfg.MaxBytes)))}
	case n.cfg.Room != nil && !n.cfg.Room(0):
		return []Finding{found(FoundBad, "make room on the disk of --offload-dir: jobs are accepted again by themselves", "the disk is nearly full: new jobs are refused with 503")}
	case !n.cfg.Own:
		return nil // another's disk
	}
	return []Finding{found(FoundOK, "", "there is room on the disk")}
}

// examinePeers looks at the servers that share the queue.
func (n *Node) examinePeers() (all []Finding) {
	slots := map[string]int{}
	servers := map[string][]string{}
	for i, p := range n.Peers() {
		slots[p.Version] += p.Slots
		servers[p.Version] = append(servers[p.Version], fmt.Sprintf("%s (pid %d)", p.Host, p.PID))
		if i == 0 {
			continue
		}
		name := fmt.Sprintf("%s (pid %d)", p.Host, p.PID)
		if p.Heard > time.Duration(beatGone) {
			all = append(all, found(FoundBad, "see whether it runs, and whether it still reaches the engine; after a minute it is forgotten",
				"%s has not been heard for %v", name, p.Heard.Round(time.Second)))
		}
		if p.Format != 0 && p.Format != job.Format {
			all = append(all, found(FoundBad, "run the same version of girin on both", "%s packs jobs in format %d, this server in %d: neither runs the other's", name, p.Format, job.Format))
		}
		if off := p.Off.Abs(); off > clockOdd {
			level := FoundOdd
			if off > clockBad {
				level = FoundBad
			}
			all = append(all, found(level, "let NTP set both clocks: times that are shown, and delays of tasks, are off by as much", "the clock of %s is %v off this one's", name, p.Off.Round(time.Second)))
		}
	}
	for _, version := range sortedKeys(servers) {
		f := found(FoundOK, "", "version %s of %s is served by %s, with %d slots", version, n.cfg.App, strings.Join(servers[version], ", "), slots[version])
		switch {
		case slots[version] == 0:
			f.Level, f.Do = FoundBad, "give one of them --offload-slots of more than 0, or start a server with --offload-connect: nobody can run its jobs"
		case version != n.Version():
			f.Level, f.Do = FoundOdd, "this server has version "+n.Version()+": if both should be the same, deploy the same files, or say --offload-version"
		}
		all = append(all, f)
	}
	return all
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for key := range m {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	return keys
}

// examineStreams looks at what waits, at the engine's clock, and whether anybody can run it.
func (n *Node) examineStreams(ctx context.Context, s *store) (all []Finding, err error) {
	prefix := "girin." + n.names.app + ".jobs."
	asked := n.wall()
	info, err := s.stream.Info(ctx, jetstream.WithSubjectFilter(prefix+">"))
	if err != nil {
		return nil, err
	}
	took := n.wall().Sub(asked)
	st := info.State
	f := found(FoundOK, "", "%d accepted jobs wait or run, of at most %d; they take %s", st.Msgs, n.cfg.MaxJobs, mib(st.Bytes))
	switch limit := uint64(n.cfg.MaxJobs); {
	case st.Msgs >= limit:
		f.Level, f.Do = FoundBad, "more servers or slots, or a larger --offload-jobs: new jobs are refused with 503"
	case st.Msgs >= limit/5*4:
		f.Level, f.Do = FoundOdd, "soon new jobs are refused with 503: more servers or slots, or a larger --offload-jobs"
	}
	all = append(all, f)
	if !info.TimeStamp.IsZero() {
		if off := info.TimeStamp.Sub(asked.Add(took / 2)); off.Abs() > clockOdd {
			all = append(all, found(FoundOdd, "let NTP set both clocks", "the clock of the engine is %v off this server's", off.Round(time.Second)))
		} else {
			all = append(all, found(FoundOK, "", "the clocks of the engine and this server agree"))
		}
	}
	served, waits := n.beats.versions(), map[string]int{}
	for subject := range st.Subjects {
		if version, _, _ := strings.Cut(strings.TrimPrefix(subject, prefix), "."); !served[version] {
			waits[version]++
		}
	}
	for _, version := range sortedKeys(waits) {
		do := "start a server of that version, or cancel them (girin jobs list, girin jobs cancel ID)"
		if n.cfg.MoveAfter > 0 {
			do = fmt.Sprintf("%v after its last server has gone they are for the present version; or start a server of it", n.cfg.MoveAfter)
		}
		all = append(all, found(FoundBad, do, "%d jobs wait for version %s of the application, which no server has", waits[version], versionOf(version)))
	}
	return all, nil
}

// examineConsumers looks how far those are behind who run accepted jobs.
func (n *Node) examineConsumers(ctx context.Context, s *store) (all []Finding, err error) {
	var pending, begun, again uint64
	for _, c := range s.waits {
		info, err := c.Info(ctx)
		if err != nil {
			return nil, err
		}
		pending += info.NumPending
		begun += uint64(info.NumAckPending)
		again += uint64(info.NumRedelivered)
	}
	f := found(FoundOK, "", "of this version %d jobs were not begun, %d are with a server, %d of those for another time", pending, begun, again)
	oldest, err := n.oldest(ctx, s)
	if err != nil {
		return nil, err
	}
	if age := n.now().Sub(oldest); !oldest.IsZero() && age > longQueue {
		f.What += fmt.Sprintf("; the oldest has waited for %v", age.Round(time.Second))
		f.Level, f.Do = FoundOdd, "girin jobs list says what runs; more servers or slots (--offload-slots) run more at once"
	}
	return append(all, f), nil
}

// oldest is when the job was accepted that waits the longest and could be begun; zero: none does.
func (n *Node) oldest(ctx context.Context, s *store) (at time.Time, err error) {
	_, err = s.list(ctx, 1, func(r *job.Record) bool {
		if r.Status == job.Queued && n.now().After(r.After) && (at.IsZero() || r.Created.Before(at)) {
			at = r.Created
			if r.After.After(at) {
				at = r.After
			}
		}
		return false
	})
	return at, err
}

// examineJobs names those that wait for a reason, and counts those that have ended badly.
func (n *Node) examineJobs(ctx context.Context, s *store) (all []Finding, err error) {
	bad, day := 0, n.now().Add(-24*time.Hour)
	held, err := s.list(ctx, namedJobs, func(r *job.Record) bool {
		if r.Status.Ended() && r.Status != job.Done && r.Status != job.Cancelled && r.Ended.After(day) {
			bad++
		}
		return r.Status == job.Queued && r.Reason != ""
	})
	if err != nil {
		return nil, err
	}
	for i := range held {
		r := &held[i].Record
		do := "it is tried again by itself; girin jobs show says more"
		if r.Attempt == 0 {
			do = "deploy a version that can run it, or cancel it (girin jobs cancel " + r.ID.String() + ")"
		}
		all = append(all, found(FoundOdd, do, "job %s (%s) waits, after %d attempts: %s", r.ID, r.Route, r.Attempt, r.Reason))
	}
	if bad > 0 {
		return append(all, found(FoundOdd, "girin jobs dead says why; girin jobs retry ID runs one again, girin jobs purge dead forgets them", "%d jobs have ended badly within a day", bad)), nil
	}
	return append(all, found(FoundOK, "", "no job has ended badly within a day")), nil
}

func mib(bytes uint64) string { return fmt.Sprintf("%.1f MiB", float64(bytes)/(1<<20)) }
