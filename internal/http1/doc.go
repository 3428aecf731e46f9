// Package http1 turns bytes into HTTP/1.1 request heads and bodies, and
// response heads and bodies into bytes. It is the strict server side of
// RFC 9112, with the field rules of RFC 9110. Heads of HTTP/2, which come as
// decoded fields, are held to the same rules (Request.Add).
//
// It owns the syntax and the limits that a head must keep. It owns no socket,
// no clock, no buffer and no policy: the front reads bytes from a connection,
// gives them to Request.Parse and Chunked.Next, and decides what a verdict
// (*Error) means for the connection. Everything it returns is a slice of what
// it was given; nothing on the way of an ordinary request allocates.
//
// Where the RFCs leave a choice the stricter reading is taken, and nothing
// that gunicorn 27 refuses is accepted (but trailers, which are dropped here):
// what two readers may understand differently is how requests are smuggled
// (RFC 9112 section 11.2).
package http1
