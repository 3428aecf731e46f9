package serve

import (
	"os"
	"time"
)

// skewFrom names the variable of the environment that says how wrong this program's clock is:
// nothing but what a test builds is wrong (-ldflags "-X girin/internal/serve.skewFrom=NAME").
var skewFrom string

// wallClock is the time that is compared with other servers'.
func wallClock() func() time.Time {
	if skewFrom == "" {
		return time.Now
	}
	off, _ := time.ParseDuration(os.Getenv(skewFrom))
	return func() time.Time { return time.Now().Add(off) }
}
