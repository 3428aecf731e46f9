// Package bench is the load generator behind "girin bench": it makes requests at a chosen pace, stamps each of them, and
// tells what happened in ab's words and then in its own.
//
//	Options -> plan: targets (prebuilt request bytes) and a schedule
//	        -> clients: one goroutine per connection, each with a recorder of its own
//	        -> recorders, merged once all clients have ended -> Result
//	        -> reports (text, JSON, CSV, HDR, HTML), doubts, verdicts
//
// Nothing is shared between clients on the way of a request but one counter. Reports read a Result and nothing else, so
// whatever a report shows is in the JSON too.
//
// The package owns no flags, no exit codes and no signals: those are package cli's.
package bench
