package e2e_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
)

// receiver takes callbacks, and refuses the first ones of each job.
type receiver struct {
	*httptest.Server
	verifier *standardwebhooks.Webhook

	mu      sync.Mutex
	refuses int                 // guarded by mu: so many of each
	ids     map[string][]string // guarded by mu: webhook-ids that came, by job
	told    map[string]string   // guarded by mu: the status that was taken, by job
	faults  []string            // guarded by mu
}

func receive(t *testing.T, secret string, refuses int) *receiver {
	t.Helper()
	verifier, err := standardwebhooks.NewWebhook(secret)
	if err != nil {
		t.Fatal(err)
	}
	r := &receiver{verifier: verifier, refuses: refuses, ids: map[string][]string{}, told: map[string]string{}}
	r.Server = httptest.NewServer(r)
	t.Cleanup(r.Close)
	return r
}

func (r *receiver) ServeHTTP(w http.ResponseWriter, q *http.Request) {
	body, err := io.ReadAll(q.Body)
	var said struct {
		Type string
		Data accepted
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if err == nil {
		err = r.verifier.Verify(body, q.Header)
	}
	if err == nil {
		err = json.Unmarshal(body, &said)
	}
	if err != nil || said.Type != "job."+said.Data.Status || strings.Contains(string(body), `"node"`) {
		r.faults = append(r.faults, string(body))
	}
	id := said.Data.ID
	if r.ids[id] = append(r.ids[id], q.Header.Get("webhook-id")); len(r.ids[id]) <= r.refuses {
		w.WriteHeader(http.StatusInternalServerError)
		return
	}
	if r.told[id] != "" {
		r.faults = append(r.faults, id+" is told again")
	}
	r.told[id] = said.Data.Status
}

// awaits waits until a job's end was told, and returns the ids of all attempts.
func (r *receiver) awaits(t *testing.T, id, status string) (ids []string) {
	t.Helper()
	eventually(t, "it is told that "+id+" is "+status, func() bool {
		r.mu.Lock()
		defer r.mu.Unlock()
		ids = r.ids[id]
		return r.told[id] == status
	})
	return ids
}

func startCallbacks(t *testing.T, hosts string, more ...string) (j *jobServers, secret string) {
	t.Helper()
	key := filepath.Join(t.TempDir(), "webhook")
	if _, fault, code := ctl(t, t.TempDir(), "offload", "webhook-key", key); code != 0 {
		t.Fatal(fault)
	}
	text, err := os.ReadFile(key)
	if err != nil {
		t.Fatal(err)
	}
	j = startJobs(t, 1, append([]string{"--offload", "/both/*,both,retry=0", "--offload-callback", hosts, "--offload-callback-key", key}, more...)...)
	j.offload(t, "both")
	return j, strings.TrimSpace(string(text))
}

// Whoever asks for it is told of a job's end: signed, once, and again until it is taken.
func TestCallbacksAreSentUntilTheyAreTaken(t *testing.T) {
	gate := make(chan struct{}) // the port is known before the server is
	var r *receiver
	place := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		<-gate
		r.ServeHTTP(w, q)
	}))
	defer place.Close()
	j, secret := startCallbacks(t, strings.TrimPrefix(place.URL, "http://"), "--offload-callback-private")
	r = receive(t, secret, 2)
	close(gate)
	foreign := append([]string{"Girin-Callback", "http://127.0.0.1:1/"}, respondAsync...)
	if a := <-j.front.ask("GET", "/both/x?foreign", nil, foreign...); a.status != 422 || !strings.Contains(a.body, "127.0.0.1:1 is not one of the hosts") {
		t.Errorf("a place that nobody has allowed: %+v", a)
	}
	done := j.accept(t, "POST", "/both/x?done", nil, "Girin-Callback", place.URL+"/hook?a=b")
	dead := j.accept(t, "GET", "/both/slain?dead", nil, "Girin-Callback", place.URL)
	never := filepath.Join(j.dir, "never")
	j.ended(t, dead)
	runs := j.accept(t, "GET", "/both/until?runs&"+never, nil)
	j.await(t, "begin runs")
	waits := j.accept(t, "GET", "/both/x?waits", nil, "Girin-Callback", place.URL)
	if a := <-j.front.ask("DELETE", waits.URL, nil); a.status != 204 {
		t.Fatalf("%+v", a)
	}
	for id, status := range map[string]string{done.ID: "done", dead.ID: "dead", waits.ID: "cancelled"} {
		ids := r.awaits(t, id, status)
		if len(ids) != 3 || ids[0] != ids[1] || ids[1] != ids[2] || !strings.Contains(ids[0], id) {
			t.Errorf("%s: %q", status, ids)
		}
	}
	open(t, never)
	j.ended(t, runs)

	// What is to be told outlives the server, and what a person runs again is told again.
	r.mu.Lock()
	r.refuses = 1 << 20
	r.mu.Unlock()
	left := j.accept(t, "GET", "/both/x?left", nil, "Girin-Callback", place.URL)
	eventually(t, "it was tried", func() bool { r.mu.Lock(); defer r.mu.Unlock(); return len(r.ids[left.ID]) > 0 })
	_ = j.front.end(t, syscall.SIGKILL)
	r.mu.Lock()
	r.refuses = 0
	r.mu.Unlock()
	j.front = startApp(t, "jobs", options{args: j.args, env: j.env})
	r.awaits(t, left.ID, "done")
	j.front.wait(t, "Jobs: connected")
	r.mu.Lock()
	first := r.ids[dead.ID][0]
	delete(r.told, dead.ID)
	r.mu.Unlock()
	j.cli(t, 0, "jobs", "retry", dead.ID)
	if ids := r.awaits(t, dead.ID, "dead"); ids[len(ids)-1] == first {
		t.Errorf("another end has the id of the first: %q", ids)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.faults) > 0 {
		t.Errorf("%q", r.faults)
	}
}

// An address of this machine is refused where it is connected to, and callbacks where
// nobody has allowed any.
func TestCallbacksGoToPublicAddressesOnly(t *testing.T) {
	came := make(chan struct{}, 1)
	place := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { came <- struct{}{} }))
	defer place.Close()
	url := strings.Replace(place.URL, "127.0.0.1", "localhost", 1)
	j, _ := startCallbacks(t, strings.TrimPrefix(url, "http://"))
	job := j.accept(t, "GET", "/both/x?private", nil, "Girin-Callback", url)
	j.front.wait(t, job.ID+": "+url+" is not told how it has ended: ")
	select {
	case <-came:
		t.Error("it was asked")
	default:
	}
	plain := startJobs(t, 1, "--offload", "/both/*,both")
	plain.offload(t, "both")
	if a := <-plain.front.ask("GET", "/both/x?none", nil, append([]string{"Girin-Callback", "https://example.com/"}, respondAsync...)...); a.status != 422 {
		t.Errorf("%+v", a)
	}
}

// A server that is killed when a receiver has taken a callback, and before that is noted, tells it
// again: twice by one id, and not never.
func TestACallbackThatWasTakenAndNotNotedIsSentAgain(t *testing.T) {
	var j *jobServers
	var once sync.Once
	ids, gate := make(chan string, 8), make(chan struct{})
	place := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, q *http.Request) {
		ids <- q.Header.Get("webhook-id")
		once.Do(func() {
			<-gate
			_ = j.front.end(t, syscall.SIGKILL) // it never hears of the 200
		})
	}))
	defer place.Close()
	j, _ = startCallbacks(t, strings.TrimPrefix(place.URL, "http://"), "--offload-callback-private")
	job := j.accept(t, "POST", "/both/x?killed", nil, "Girin-Callback", place.URL)
	first := <-ids
	close(gate)
	<-j.front.done
	j.front = startApp(t, "jobs", options{args: j.args, env: j.env})
	select {
	case again := <-ids:
		if again != first || !strings.Contains(again, job.ID) {
			t.Errorf("%q, and then %q", first, again)
		}
	case <-time.After(time.Minute): // it is sent again when a server that has it has been silent for 20 s
		t.Fatal("it is not sent again")
	}
	eventually(t, "it is noted", func() bool {
		_, text := j.inside(t, "GET", "/peers", "")
		return strings.Contains(text, `"told":1`)
	})
	if len(ids) > 0 {
		t.Errorf("it is sent once more: %q", <-ids)
	}
}
