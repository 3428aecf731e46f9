// Package tune finds out which settings to deploy an application with, on this machine, under the
// user's own load: it owns the search and the answer. It drives package lab, which runs servers, and
// package bench, which makes load and finds the highest rate within an SLO; what the load is made of
// is package workload's, and how the answer looks package report's.
//
//	workload -> what each route is, alone -> search -> answer
//
//	search:  all settings, shortly ─ a third ─▶ longer ─ the best three and auto ─▶ in blocks, in turns
//
// A measurement is one fresh server and the highest rate at which the SLO holds on it. The run is
// the sample, never the request.
package tune
