package jobs

import "sync/atomic"

// counts are sums since the start.
type counts struct {
	placed atomic.Int64 // requests that went to the stream
	local  atomic.Int64 // requests that were for it and ran here
	again  atomic.Int64 // attempts after the first
	pulled atomic.Int64 // jobs that were begun here
}
