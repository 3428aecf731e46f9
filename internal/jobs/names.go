package jobs

import (
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"girin/internal/jobs/job"
)

// names are those of an application's streams and subjects. The last part of a message's
// subject is the job, so that to withdraw it is to purge one subject.
type names struct {
	app   string // as part of a subject
	sync  string // the stream of those whose clients wait
	jobs  string // the stream of accepted ones
	timer string // the stream of schedules
	alive string // the subject of heartbeats
	hooks string // the stream of callbacks
}

func namesOf(app string) names {
	n := names{app: job.Token(app)}
	n.sync = "GIRIN_" + n.app + "_SYNC"
	n.jobs = "GIRIN_" + n.app + "_JOBS"
	n.hooks = "GIRIN_" + n.app + "_HOOKS"
	n.timer = "GIRIN_" + n.app + "_TIMER"
	n.alive = "girin." + n.app + ".alive"
	return n
}

// node is the subject of what a node is told.
func (n *names) node(name, what string) string { return "girin." + n.app + ".n." + name + "." + what }

func (n *names) syncSubject(version, class string, id job.ID) string {
	return "girin." + n.app + ".sync." + line(version) + "." + class + "." + id.String()
}

// consumer is the name of a version's consumer of a class, of any stream.
func consumer(version, class string) string { return "v_" + line(version) + "_" + class }

// line is a version's part of subjects, with the format of the messages: what is packed in
// another format comes to no node that cannot read it.
func line(version string) string { return lineOf(version, job.Format) }

// lineOf is that of a format; 0: of what was packed before the format was named.
func lineOf(version string, format int) string {
	if format == 0 {
		return job.Token(version)
	}
	return "f" + strconv.Itoa(format) + "-" + job.Token(version)
}

// versionOf is what a person is told of a line.
func versionOf(line string) string {
	format, version, found := strings.Cut(line, "-")
	n, err := strconv.Atoi(strings.TrimPrefix(format, "f"))
	switch {
	case !found || err != nil || !strings.HasPrefix(format, "f"):
		return line
	case n != job.Format:
		return version + " (in format " + strconv.Itoa(n) + ")"
	}
	return version
}

// syncConsumer is shared by all nodes of the version. A message that is pulled and neither
// begun nor refused goes to another: AckWait. Where only so many may run at once each is
// acknowledged when it has ended (see runner.run).
func (n *names) syncConsumer(version, class string, limit int) jetstream.ConsumerConfig {
	return jetstream.ConsumerConfig{
		Durable: consumer(version, class), FilterSubject: "girin." + n.app + ".sync." + line(version) + "." + class + ".>",
		AckPolicy: jetstream.AckExplicitPolicy, AckWait: beginWait, MaxAckPending: pendingMost(limit), MemoryStorage: true,
		InactiveThreshold: time.Hour,
	}
}

// pendingMost is how many messages may have been delivered and not be acknowledged.
func pendingMost(limit int) int {
	if limit == 0 {
		return -1
	}
	return limit
}

// classOf is the class in a message's subject, before the job.
func classOf(subject string) string {
	parts := strings.Split(subject, ".")
	return parts[max(len(parts)-2, 0)]
}

// lineIn is the line in the subject of a job whose client waits.
func lineIn(subject string) string {
	parts := strings.Split(subject, ".")
	return parts[max(len(parts)-3, 0)]
}

const beginWait = 2 * time.Second

// syncStream holds nothing that its origin has not as well: it may be lost.
func (n *names) syncStream() jetstream.StreamConfig {
	return jetstream.StreamConfig{
		Name: n.sync, Subjects: []string{"girin." + n.app + ".sync.>"}, Retention: jetstream.WorkQueuePolicy,
		Storage: jetstream.MemoryStorage, MaxAge: time.Hour, MaxBytes: syncBytes, Discard: jetstream.DiscardNew,
		Duplicates: time.Second,
	}
}

const syncBytes = 128 << 20

// idOf is the job of a message's subject.
func idOf(subject string) (job.ID, bool) {
	return job.ParseID(subject[strings.LastIndexByte(subject, '.')+1:])
}

func (n *names) jobSubject(r *job.Record) string {
	return "girin." + n.app + ".jobs." + lineOf(r.Version, r.Format) + "." + r.Line() + "." + r.ID.String()
}

// anySubject is that of a job's message, whatever version and line it is for.
func (n *names) anySubject(id job.ID) string { return "girin." + n.app + ".jobs.*.*." + id.String() }

// anyVersion is that of tasks: a name and JSON, which the next version of the application
// understands as well. Which tasks a node does not know it gives back.
const anyVersion = "*"

// versions are those of the accepted jobs that a node runs.
func (n *Node) versions() []string { return []string{anyVersion, n.Version()} }

// lease is how long a runner of an accepted job may not be heard of before the job is
// delivered again; renewed three times as often.
const lease = 15 * time.Second

func (n *names) jobsConsumer(version, class string, limit int) jetstream.ConsumerConfig {
	return jetstream.ConsumerConfig{
		Durable: consumer(version, class), FilterSubject: "girin." + n.app + ".jobs." + line(version) + "." + class + ".>",
		AckPolicy: jetstream.AckExplicitPolicy, AckWait: lease, MaxAckPending: pendingMost(limit),
		InactiveThreshold: keepLongest, // each deploy brings new ones
	}
}

// waitLongest is how long an accepted job may wait.
const waitLongest = 7 * 24 * time.Hour

// jobsStream refuses what is too much, so that its client is told.
func (n *names) jobsStream(most int) jetstream.StreamConfig {
	return jetstream.StreamConfig{
		Name: n.jobs, Subjects: []string{"girin." + n.app + ".jobs.>"}, Retention: jetstream.WorkQueuePolicy,
		Storage: jetstream.FileStorage, MaxAge: waitLongest, MaxMsgs: int64(most), Discard: jetstream.DiscardNew,
	}
}
