package serve

import (
	"context"
)

// chore is work that is asked for now and then and may last. It runs by itself,
// once at a time; asked for meanwhile, however often, it runs once more.
type chore struct {
	do    func(context.Context)
	asked chan struct{} // has room for one
}

func newChore(do func(context.Context)) *chore { return &chore{do, make(chan struct{}, 1)} }

// ask does not wait.
func (c *chore) ask() {
	select {
	case c.asked <- struct{}{}:
	default:
	}
}

// run does the work whenever it is asked for, until ctx ends.
func (c *chore) run(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-c.asked:
			c.do(ctx)
		}
	}
}
