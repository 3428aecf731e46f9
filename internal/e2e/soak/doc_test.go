// Package soak is a test alone: mixed clients, kind and unkind, on cleartext,
// TLS and HTTP/2, against real servers of every worker class whose workers are
// killed and which are reloaded meanwhile. Every answer's bytes are checked.
// Afterwards the server must hold what it held before: threads, descriptors,
// goroutines, memory shared with the workers, what it has queued.
//
// $SOAK says how long all classes take together (12 s by default), $GIRIN which
// binary runs, which may be one that was built with -race.
package soak
