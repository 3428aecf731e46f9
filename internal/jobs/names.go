package jobs

import (
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
	alive string // the subject of heartbeats
}

func namesOf(app string) names {
	n := names{app: job.Token(app)}
	n.sync = "GIRIN_" + n.app + "_SYNC"
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
