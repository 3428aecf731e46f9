package jobs

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"girin/internal/jobs/job"
)

// Schedule is a task that is begun by itself.
type Schedule struct {
	Task
	Cron string `json:"cron"` // second, minute, hour, day, month, weekday
	TZ   string `json:"tz,omitempty"`
}

// A schedule is a message that the engine repeats at its times, as a message to the subject
// of what is due. Of those each is pulled by one node, which makes a job of it: so it is
// one job, however many nodes there are.
const (
	scheduleZone   = "Nats-Schedule-Time-Zone"
	scheduleCron   = "Nats-Schedule"
	scheduleTarget = "Nats-Schedule-Target"
)

// schedulesMost is how many an application may have.
const schedulesMost = 1000

// dueLife is how long what is due waits for a node that takes it.
const dueLife = time.Hour

func (n *names) timerStream() jetstream.StreamConfig {
	return jetstream.StreamConfig{
		Name: n.timer, Subjects: []string{n.timerSubject("*"), n.dueSubject("*")}, Storage: jetstream.FileStorage, Retention: jetstream.LimitsPolicy,
		MaxMsgsPerSubject: 1, AllowMsgSchedules: true, AllowMsgTTL: true, AllowRollup: true, AllowDirect: true,
	}
}

func (n *names) timerSubject(name string) string { return "girin." + n.app + ".timer." + name }
func (n *names) dueSubject(name string) string   { return "girin." + n.app + ".due." + name }

// dueConsumer is shared by all nodes.
func (n *names) dueConsumer() jetstream.ConsumerConfig {
	return jetstream.ConsumerConfig{
		Durable: "due", FilterSubject: n.dueSubject("*"), AckPolicy: jetstream.AckExplicitPolicy, AckWait: lease, MaxAckPending: -1,
		DeliverPolicy: jetstream.DeliverNewPolicy,
	}
}

// scheduleName is a schedule's in its subject.
func scheduleName(task string) string {
	sum := sha256.Sum256([]byte(task))
	return base64.RawURLEncoding.EncodeToString(sum[:12])
}

func (c *Schedule) check() error {
	if err := c.Task.check(); err != nil {
		return err
	}
	if c.TZ != "" {
		if _, err := time.LoadLocation(c.TZ); err != nil {
			return fmt.Errorf("%s: there is no time zone %q", c.Task.Task, c.TZ)
		}
	}
	if len(strings.Fields(c.Cron)) != 6 {
		return fmt.Errorf("%s: cron is %q, not second minute hour day month weekday", c.Task.Task, c.Cron)
	}
	return nil
}

// setSchedules takes the application's schedules in place of those before.
func (n *Node) setSchedules(w http.ResponseWriter, r *http.Request) {
	var all struct {
		Schedules []Schedule `json:"schedules"`
	}
	err := json.NewDecoder(http.MaxBytesReader(w, r.Body, 1<<20)).Decode(&all)
	if err == nil && len(all.Schedules) > schedulesMost {
		err = fmt.Errorf("these are more than %d schedules", schedulesMost)
	}
	for i := range all.Schedules {
		if err == nil {
			err = all.Schedules[i].check()
		}
	}
	if err != nil {
		plain(w, http.StatusUnprocessableEntity, err.Error())
		return
	}
	if n.store.Load() == nil || !n.up.Load() {
		n.refuse(w, errUnstored)
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), storeLimit)
	defer cancel()
	if err := n.keepSchedules(ctx, all.Schedules); err != nil {
		n.refuse(w, err)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

// keepSchedules stores what has changed. What has not stays, so that none is missed while
// workers come and go.
func (n *Node) keepSchedules(ctx context.Context, wanted []Schedule) error {
	stream, err := n.js.Stream(ctx, n.names.timer)
	if err != nil {
		return err
	}
	info, err := stream.Info(ctx, jetstream.WithSubjectFilter(n.names.timerSubject("*")))
	if err != nil {
		return err
	}
	old := info.State.Subjects
	for i := range wanted {
		text, err := json.Marshal(&wanted[i])
		if err != nil {
			return err
		}
		subject := n.names.timerSubject(scheduleName(wanted[i].Task.Task))
		_, there := old[subject]
		delete(old, subject)
		if there {
			if m, err := stream.GetLastMsgForSubject(ctx, subject); err == nil && bytes.Equal(m.Data, text) {
				continue
			}
		}
		if err := n.publishSchedule(ctx, subject, text, &wanted[i]); err != nil {
			return err
		}
	}
	for subject := range old { // and what was due last, which nothing would take the place of
		due := n.names.dueSubject(strings.TrimPrefix(subject, n.names.timerSubject("")))
		for _, gone := range []string{subject, due} {
			if err := stream.Purge(ctx, jetstream.WithPurgeSubject(gone)); err != nil {
				return err
			}
		}
	}
	return nil
}

func (n *Node) publishSchedule(ctx context.Context, subject string, text []byte, c *Schedule) error {
	m := nats.NewMsg(subject)
	m.Data = text
	m.Header[scheduleCron] = []string{c.Cron}
	if c.TZ != "" {
		m.Header[scheduleZone] = []string{c.TZ}
	}
	m.Header[scheduleTarget] = []string{n.names.dueSubject(scheduleName(c.Task.Task))}
	_, err := n.js.PublishMsg(ctx, m)
	var api *jetstream.APIError
	if errors.As(err, &api) && api.ErrorCode == jetstream.JSErrCodeSchedulePatternInvalid {
		return &problem{http.StatusUnprocessableEntity, fmt.Sprintf("%s: %q is no time of cron's", c.Task.Task, c.Cron)}
	}
	return err
}

// openTimer makes what schedules are kept in.
func (n *Node) openTimer(ctx context.Context) error {
	stream, err := n.openStream(ctx, n.names.timerStream())
	if err == nil {
		asked := n.wall()
		_, err = stream.Info(ctx)
		n.lookAtClock(stream, asked)
	}
	if err == nil {
		_, err = stream.CreateOrUpdateConsumer(ctx, n.names.dueConsumer())
	}
	if err != nil {
		return fmt.Errorf("the schedules of the jobs: %w", err)
	}
	return nil
}

// timer makes jobs of what is due.
func (n *Node) timer() {
	due := puller{r: n.runner, stream: n.names.timer}
	for {
		select {
		case <-n.runner.stop:
			return
		default:
		}
		woken := *n.runner.expects.Load()
		if n.store.Load() == nil || !n.up.Load() {
			select {
			case <-n.runner.stop:
				return
			case <-woken:
			}
			continue
		}
		m, ended := due.next([]string{"due"}, woken)
		if ended {
			return
		}
		if m != nil {
			n.due(m)
		}
	}
}

// due makes a job of what is due now. The job has a name of the message's, so that there is
// one also if this node dies before it has said so.
func (n *Node) due(m *nats.Msg) {
	var c Schedule
	var r stored
	meta, err := m.Metadata()
	if err != nil {
		n.cfg.Log.Errorf("jobs: %v", err)
		return
	}
	if err = json.Unmarshal(m.Data, &c); err != nil || n.now().Sub(meta.Timestamp) > dueLife {
		n.cfg.Log.Warningf("jobs: %s was due at %v and is not begun (%v)", m.Subject, meta.Timestamp, err)
		_ = m.Ack()
		return
	}
	sum := sha256.Sum256(fmt.Appendf(nil, "%s %d %d", m.Subject, meta.Sequence.Stream, meta.Timestamp.UnixNano()))
	ctx, cancel := context.WithTimeout(n.ctx, storeLimit)
	defer cancel()
	id, s := job.ID(sum[:16]), n.store.Load()
	switch r, err = s.get(ctx, id); {
	case errors.Is(err, errNoJob):
		_, err = n.storeTask(ctx, &c.Task, id, false)
	case err == nil && r.Status == job.Queued && !s.hasMessage(ctx, &r.Record): // whoever made it died in between
		err = s.publish(ctx, &r.Record, n.taskMessage(&c.Task))
	}
	if err != nil {
		n.cfg.Log.Warningf("jobs: %s is due and cannot be begun yet: %v", c.Task.Task, err)
		_ = m.NakWithDelay(time.Second)
		return
	}
	_ = m.Ack()
}

// listSchedules tells what is begun by itself.
func (n *Node) listSchedules(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), storeLimit)
	defer cancel()
	stream, err := n.js.Stream(ctx, n.names.timer)
	if err != nil {
		n.refuse(w, err)
		return
	}
	info, err := stream.Info(ctx, jetstream.WithSubjectFilter(n.names.timerSubject("*")))
	if err != nil {
		n.refuse(w, err)
		return
	}
	all := []Schedule{}
	for subject := range info.State.Subjects {
		var c Schedule
		if m, err := stream.GetLastMsgForSubject(ctx, subject); err == nil && json.Unmarshal(m.Data, &c) == nil {
			all = append(all, c)
		}
	}
	slices.SortFunc(all, func(a, b Schedule) int { return strings.Compare(a.Task.Task, b.Task.Task) })
	writeJSON(w, http.StatusOK, map[string]any{"schedules": all})
}
