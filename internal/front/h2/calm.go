package h2

// calm is a budget for what clients may do without getting anything done. It
// fills again with time; who overdraws it is sent away (ENHANCE_YOUR_CALM).
type calm struct {
	left, burst int64
	rate        int64 // per second
	filled      int64 // ns: up to when time was counted
}

const (
	// idleBurst and idleRate are for frames that do nothing: SETTINGS, PING,
	// PRIORITY, empty DATA and CONTINUATION, frames of unknown kinds or for
	// closed streams, and WINDOW_UPDATE. Requests and bytes of answers earn
	// some back, so that a client that acknowledges each of many small frames
	// is not taken for a flood.
	idleBurst, idleRate = 1000, 100

	// What was earned may be saved up to ten times idleBurst: acknowledgements
	// may come long after what they acknowledge, and then all at once.
	earnedMost = 10 * idleBurst

	earnRequest = 4
	earnData    = 4
	// dribble is below which a DATA frame that the client's window cut short
	// earns nothing: windows of a few bytes make a frame of each byte.
	dribble = 512

	// resetRate is how many streams a second a client may have reset, by
	// RST_STREAM or by what must be answered with one (CVE-2023-44487,
	// CVE-2025-8671). At once it may be resetBurst, or twice as many as it may
	// have.
	resetRate, resetBurst = 50, 100
)

// spend takes n out, and reports whether that much was left.
func (b *calm) spend(n int64, clock func() int64) bool {
	if b.left -= n; b.left >= 0 {
		return true
	}
	now := clock()
	b.left = min(b.left+int64(float64(now-b.filled)*float64(b.rate)/1e9), b.burst) // whole numbers would overflow after hours
	b.filled = now
	return b.left >= 0
}

func (b *calm) earn(n int64) { b.left = min(b.left+n, earnedMost) }

func newCalm(burst, rate, now int64) calm {
	return calm{left: burst, burst: burst, rate: rate, filled: now}
}

// idled counts a frame that does nothing.
func (c *Conn) idled() *Error {
	if c.idle.spend(1, c.cfg.Clock) {
		return nil
	}
	return errFlood
}

// wasReset counts a stream that ended for nothing because of the client.
func (c *Conn) wasReset() *Error {
	if c.resets.spend(1, c.cfg.Clock) {
		return nil
	}
	return errResets
}
