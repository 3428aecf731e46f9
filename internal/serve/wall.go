package serve

import "time"

// skew is how wrong this program's clock is: nothing but what tests build is wrong
// (-ldflags "-X girin/internal/serve.skew=1h").
var skew string

// wallClock is the time that is compared with other servers'.
func wallClock() func() time.Time {
	off, err := time.ParseDuration(skew)
	if err != nil {
		return time.Now
	}
	return func() time.Time { return time.Now().Add(off) }
}
