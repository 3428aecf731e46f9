// Package sidecar keeps commands running beside the server, such as Celery's
// workers: it starts them, passes their output on, starts them again when they
// end, and ends them with the server. It takes no part in any request's path, and
// does not know what the commands do.
//
// Between the server and each command stands a guard, this program once more:
//
//	server ─starts─▶ guard ─starts─▶ command ─▶ its own children
//	   │──── line ────▶│ adopts what loses its parent
//	   │◀── report ────│ when the command has ended, or the line is cut, it ends all of them
//
// The line is a pipe of which the server holds the other end. It is cut however the
// server ends, so that nothing outlives it: not what the command has started either.
package sidecar
