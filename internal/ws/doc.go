// Package ws is the syntax of WebSocket: bytes to messages and back (RFC 6455),
// compressed ones as well (RFC 7692), and what a handshake asks for and gets. It
// owns no socket, no clock and no policy: the front reads bytes from a
// connection and gives them to Reader.Next, and appends messages to its output.
//
// Between two messages a Reader holds no buffer, and nothing of a compressed
// message lives on after it: both sides are asked to forget their windows, so an
// idle connection costs no memory for compression.
package ws
