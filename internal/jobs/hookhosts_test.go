package jobs

import (
	"context"
	"testing"
	"time"
)

// A host that hangs leaves senders to all others, and once it is known to be slow it has one.
func TestASlowHostLeavesSendersToOthers(t *testing.T) {
	ctx := context.Background()
	var h hookHosts
	var hung []func(time.Duration)
	for range hostSenders {
		done, ok := h.turn(ctx, "https://slow.example/a")
		if !ok {
			t.Fatal("it has no turn")
		}
		hung = append(hung, done)
	}
	if _, ok := h.turn(ctx, "https://slow.example/b?c"); ok {
		t.Error("it has more senders than a host may have")
	}
	began := time.Now()
	if _, ok := h.turn(ctx, "https://slow.example/b"); ok || time.Since(began) > turnLimit/2 {
		t.Errorf("another waits for %v for one that is slow", time.Since(began))
	}
	done, ok := h.turn(ctx, "https://quick.example/")
	if !ok {
		t.Fatal("another host has no turn")
	}
	done(time.Millisecond)
	for _, done := range hung {
		done(15 * time.Second)
	}
	one, ok := h.turn(ctx, "https://slow.example/")
	if !ok {
		t.Fatal("who was slow has no turn any more")
	}
	if _, ok := h.turn(ctx, "https://slow.example/"); ok {
		t.Error("who was slow has two senders")
	}
	one(time.Millisecond)
	if len(h.all) != 0 {
		t.Errorf("%d hosts are remembered that nobody sends to", len(h.all))
	}
}

// Who waits for a turn with a quick host gets it.
func TestAQuickHostIsWaitedFor(t *testing.T) {
	var h hookHosts
	var all []func(time.Duration)
	for range hostSenders {
		done, _ := h.turn(context.Background(), "http://a/")
		all = append(all, done)
	}
	go all[0](time.Millisecond)
	if done, ok := h.turn(context.Background(), "http://a/"); !ok {
		t.Error("it has no turn")
	} else {
		done(time.Millisecond)
	}
}

// A host is one, however a client writes it.
func TestAHostIsKnownByAnyNameOfIt(t *testing.T) {
	var h hookHosts
	for _, place := range []string{"https://a.example/x", "http://A.example:80/", "https://a.EXAMPLE:443/?y"} {
		if _, ok := h.turn(context.Background(), place); !ok {
			t.Errorf("%s has no turn", place)
		}
	}
	if len(h.all) != 1 {
		t.Errorf("they are %d hosts", len(h.all))
	}
}
