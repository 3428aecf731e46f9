// Package front is where clients connect: it owns listeners, connections,
// limits, deadlines, spooled bodies, responses and the access log. It turns
// HTTP into calls for sched and the frames that answer them into HTTP. It knows
// no worker and no process.
//
// A request takes a Python thread only when the front has it whole, and gives
// it back as soon as the application has produced the response.
//
// Each connection has one goroutine, which reads. The response is written by
// whoever brings it, most often the goroutine that reads a worker's socket,
// straight to the client's socket if that does not block; what is left is
// queued and written by a goroutine that lives as long as the queue:
//
//	conn.serve            worker's reader             conn.drain
//	  fill, parse
//	  Submit  ─────────▶  (a worker runs it)
//	  fill (next one)     Frame: write what the
//	                      socket takes, queue    ──▶  write the rest,
//	                      the rest                    grant credit
//
// On a connection of HTTP/2 each stream is such an exchange. Their frames are
// read and made by package h2; what is said here of a connection's answer holds
// for each stream's (streams in http2.go, stream in stream.go).
//
// Lock order: conn.mu is taken alone or before Server.mu; under it only
// non-blocking writes are made.
package front
