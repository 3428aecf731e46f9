package front

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

func TestRequestStartInEveryUnit(t *testing.T) {
	want := time.UnixMilli(1_700_000_000_123)
	for _, value := range []string{
		"t=1700000000.123", "1700000000.123", "t=1700000000123", "1700000000123", "t=1700000000123000", "1700000000123000",
	} {
		at, ok := parseRequestStart(value)
		if d := at.Sub(want); !ok || d.Abs() > time.Microsecond {
			t.Errorf("%q: %v, %v, want %v", value, at, ok, want)
		}
	}
	for _, value := range []string{
		"", "t=", "now", "t=-1700000000", "+1700000000", "1e9", "0x1p30", "1.2.3", "t=1700000000123000000", "inf", "t= 1700000000",
	} {
		if at, ok := parseRequestStart(value); ok {
			t.Errorf("%q is taken for %v", value, at)
		}
	}
}

// A proxy's clock is believed while some of its requests come at once.
func TestAProxysClockIsBelievedWhileItMakesSense(t *testing.T) {
	const second = time.Second
	type step struct {
		times    int
		age      time.Duration
		every    time.Duration
		believed bool
	}
	for name, steps := range map[string][]step{
		"wrong by 45 s from the start":       {{100, 45 * second, second, false}},
		"wrong by 31 s":                      {{100, 31 * second, second, false}},
		"wrong by 3 s":                       {{doubts, 3 * second, second, true}, {100, 3 * second, second, false}},
		"ahead":                              {{100, -45 * second, second, false}},
		"a little ahead":                     {{100, -second / 2, second, false}, {5, 20 * second, second, true}},
		"a few that waited, at the start":    {{doubts, 2 * second, second, true}},
		"an overload":                        {{1, 0, second, true}, {1000, 20 * second, 20 * time.Millisecond, true}},
		"an overload with some that did not": {{1, 0, second, true}, {25, 20 * second, second, true}, {1, second / 2, second, true}, {25, 20 * second, second, true}},
		"older than anybody waits":           {{1, 0, second, true}, {10, 61 * second, second, false}},
		"set wrong later":                    {{50, 0, second, true}, {30, 40 * second, second, true}, {100, 40 * second, second, false}},
		"few and slow after a right one":     {{1, 0, second, true}, {doubts, 20 * second, 10 * second, true}},
		"set right again":                    {{100, 45 * second, second, false}, {10, 0, second, true}, {10, 20 * second, second, true}},
	} {
		var clock proxyClock
		now, told := int64(1), 0
		for i, step := range steps {
			for n := range step.times {
				believed, tell := clock.judge(step.age, now, now)
				if believed != step.believed {
					t.Fatalf("%s: step %d, request %d: believed %v", name, i, n, believed)
				}
				if tell {
					told++
				}
				now += int64(step.every)
			}
		}
		if told > 1 {
			t.Errorf("%s: told %d times", name, told)
		}
	}
}

// A step of this machine's own clock makes all requests old at once, and says nothing about the proxy.
func TestAStepOfTheOwnClockMakesNoRequestOld(t *testing.T) {
	const second = int64(time.Second)
	for _, step := range []int64{40, -40} {
		var clock proxyClock
		for at := range int64(10) {
			if believed, _ := clock.judge(0, at*second+1, at*second+1); !believed {
				t.Fatal("a request that came at once is not believed")
			}
		}
		for at := int64(10); at < 100; at++ {
			now := at*second + 1
			if believed, _ := clock.judge(time.Duration(step*second), now, now+step*second); believed {
				t.Fatalf("set by %d s: an age of %d s is believed %d s later", step, step, at-10)
			}
		}
	}
}

// Every request of a proxy whose clock is wrong was answered with 504 at once.
func TestRequestsOfAWrongClockAreServed(t *testing.T) {
	s := serveApp(t, func(c *appCall) { c.answer("200 OK", "") }, trusting("127.0.0.0/8"))
	c := s.connect(t)
	for _, age := range []time.Duration{31 * time.Second, 45 * time.Second, 59 * time.Second} {
		for range doubts {
			c.send(fmt.Sprintf("GET / HTTP/1.1\r\nHost: x\r\nX-Request-Start: t=%d\r\n\r\n", time.Now().Add(-age).UnixMilli()))
			c.response("GET")
		}
	}
	s.log.wait(t, "X-Request-Start of 127.0.0.1 is ignored")
	if n := strings.Count(s.log.String(), "X-Request-Start"); n != 1 {
		t.Errorf("the log tells it %d times", n)
	}
	clock := s.clocks.of("127.0.0.1")
	clock.mu.Lock()
	defer clock.mu.Unlock()
	if clock.since != 3*doubts {
		t.Errorf("%d of %d requests were judged", clock.since, 3*doubts)
	}
}
