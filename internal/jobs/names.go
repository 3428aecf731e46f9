package jobs

import (
	"cmp"
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
	alive string // the subject of heartbeats
}

func namesOf(app string) names {
	n := names{app: job.Token(app)}
	n.sync = "GIRIN_" + n.app + "_SYNC"
	n.jobs = "GIRIN_" + n.app + "_JOBS"
	n.alive = "girin." + n.app + ".alive"
	return n
}

// node is the subject of what a node is told.
func (n *names) node(name, what string) string { return "girin." + n.app + ".n." + name + "." + what }

func (n *names) syncSubject(version string, id job.ID) string {
	return "girin." + n.app + ".sync." + job.Token(version) + "." + id.String()
}

// consumer is the name of a version's consumer, of any stream.
func consumer(version string) string { return "v_" + job.Token(version) }

// syncConsumer is shared by all nodes of the version. A message that is pulled and neither
// begun nor refused goes to another: AckWait.
func (n *names) syncConsumer(version string) jetstream.ConsumerConfig {
	return jetstream.ConsumerConfig{
		Durable: consumer(version), FilterSubject: "girin." + n.app + ".sync." + job.Token(version) + ".>",
		AckPolicy: jetstream.AckExplicitPolicy, AckWait: beginWait, MaxAckPending: -1, MemoryStorage: true,
		InactiveThreshold: time.Hour,
	}
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
	return "girin." + n.app + ".jobs." + job.Token(r.Version) + "." + cmp.Or(r.Priority, usual) + "." + r.ID.String()
}

// anyVersion is that of tasks: a name and JSON, which the next version of the application
// understands as well. Which tasks a node does not know it gives back.
const anyVersion = "*"

// versions are those of the accepted jobs that a node runs.
func (n *Node) versions() []string { return []string{anyVersion, n.Version()} }

func workConsumer(version, priority string) string { return consumer(version) + "_" + priority }

// lease is how long a runner of an accepted job may not be heard of before the job is
// delivered again; renewed three times as often.
const lease = 15 * time.Second

func (n *names) jobsConsumer(version, priority string) jetstream.ConsumerConfig {
	return jetstream.ConsumerConfig{
		Durable: workConsumer(version, priority), FilterSubject: "girin." + n.app + ".jobs." + job.Token(version) + "." + priority + ".>",
		AckPolicy: jetstream.AckExplicitPolicy, AckWait: lease, MaxAckPending: -1,
		InactiveThreshold: keepLongest, // each deploy brings new ones
	}
}

// jobsStream refuses what is too much, so that its client is told.
func (n *names) jobsStream(most int) jetstream.StreamConfig {
	return jetstream.StreamConfig{
		Name: n.jobs, Subjects: []string{"girin." + n.app + ".jobs.>"}, Retention: jetstream.WorkQueuePolicy,
		Storage: jetstream.FileStorage, MaxAge: 7 * 24 * time.Hour, MaxMsgs: int64(most), Discard: jetstream.DiscardNew,
	}
}
