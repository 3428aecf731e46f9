// Package lab runs experiments: it starts each server of a plan in each setting, loads it
// with a separate girin bench process and keeps what came out. It owns the servers' life,
// the machine's description and the progress display. What to run is package plan's, what
// is kept package result's, what it means package stats' and how it looks package report's.
//
//	plan -> settings -> visits in blocks:
//	   start server -> answers? -> quiet? -> probe each path -> warm up
//	   -> for each phase: CPU, { girin bench ... }, CPU, memory -> runs.jsonl
//	   -> stop server
package lab
