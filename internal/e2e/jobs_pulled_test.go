package e2e_test

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nkeys"
)

// engineClient connects to the engine of a front as a server would that shares its key.
func (j *jobServers) engineClient(t *testing.T) *nats.Conn {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(j.dir, "key"))
	if err != nil {
		t.Fatal(err)
	}
	pair, err := nkeys.ParseDecoratedNKey(text)
	if err != nil {
		t.Fatal(err)
	}
	public, err := pair.PublicKey()
	if err != nil {
		t.Fatal(err)
	}
	nc, err := nats.Connect(j.scheme+j.queue, nats.Nkey(public, pair.Sign))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	return nc
}

// A server that has pulled a job and dies before it begins costs its client two seconds, and
// the job runs once, whatever its method.
func TestAJobThatWasPulledAndNotBegunRunsOnce(t *testing.T) {
	for _, method := range []string{"GET", "POST"} {
		t.Run(method, func(t *testing.T) {
			j := startJobs(t, 0, "--offload-version", "one")
			nc := j.engineClient(t)
			inbox := nats.NewInbox()
			pulled, err := nc.SubscribeSync(inbox)
			if err != nil {
				t.Fatal(err)
			}
			ask := `{"batch":1,"expires":20000000000}`
			if err := nc.PublishRequest("$JS.API.CONSUMER.MSG.NEXT.GIRIN_jobs_SYNC.v_f2-one_mid", inbox, []byte(ask)); err != nil {
				t.Fatal(err)
			}
			a := j.front.ask(method, "/job/x?pulled", nil)
			if m, err := pulled.NextMsg(limit); err != nil || m.Header.Get("Status") != "" {
				t.Fatalf("nothing is pulled: %v, %+v", err, m)
			}
			nc.Close()
			died := time.Now()
			j.join(t, 1, "--offload-version", "one")
			if got := <-a; got.status != 200 || j.begun("pulled") != 1 {
				t.Errorf("%+v, begun %d times", got, j.begun("pulled"))
			}
			if took := time.Since(died); took > limit/2 {
				t.Errorf("it took %v", took)
			}
		})
	}
}
