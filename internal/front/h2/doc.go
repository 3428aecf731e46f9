// Package h2 is the protocol engine of one HTTP/2 connection (RFC 9113): the
// states of the connection and of its streams, flow control both ways, header
// blocks, settings, priorities (RFC 9218) and the limits that keep a client from
// making the server work for nothing. It owns no socket, no goroutine and no
// policy of the application server: what a request may be is package http1's
// business, who answers it is package front's.
//
// In the request's path it stands between a connection's bytes and its streams:
//
//	bytes ─▶ Serve: frames, header blocks ─▶ Request.Field, Head, Data, End
//	bytes ◀─ Output ◀─ Flush ◀─ pump: who may send ◀─ Stream.Head, Write, End
//
// One goroutine reads (Serve). Answers are written by whoever brings them: what
// a Stream is given goes into the connection's buffer as far as the windows and
// the client's reading allow, and Flush passes that on, so that the answers of
// several streams leave in one write.
//
// Locking: everything but Serve is called with the lock that New was given, and
// never blocks. The methods of Request are called without the lock by Serve, and
// with it where their comment says so.
//
// Frames are read by x/net/http2's Framer and fields decoded by its hpack. Its
// server and its encoder are not used: the first runs a goroutine for each
// stream, the second allocates for each field.
package h2
