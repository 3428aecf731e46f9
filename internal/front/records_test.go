package front

import (
	"crypto/tls"
	"testing"
)

// A client that leaves within a record of TLS is noticed at once, not when the time
// for its body is over.
func TestWhoLeavesWithinARecordIsNoticed(t *testing.T) {
	s := over{tls: true}.serve(t, answerEnviron, func(c *Config) { c.MaxBody = 0 })
	for range 20 {
		c := over{tls: true}.connect(t, s)
		c.send("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n")
		waitFor(t, func() bool { return s.app.blocks() > 0 }) // the body is awaited
		tc := c.Conn.(*tls.Conn)
		// The head of a record, a part of it, and the end, which come together.
		raw := tc.NetConn()
		if _, err := raw.Write(append([]byte{23, 3, 3, 64, 0}, make([]byte, 5000)...)); err != nil {
			t.Fatal(err)
		}
		raw.Close()
		waitFor(t, func() bool { return s.app.blocks() == 0 && s.Conns() == 0 })
	}
}
