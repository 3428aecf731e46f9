// Package report turns a results folder into what people read: report.html, the charts as
// files, the summary in words and the comparison of two runs. It measures nothing; every
// number comes from package result, every judgement from package stats.
//
//	runs -> panels (one per scenario, phase and stream) -> cells (one per setting)
//	     -> noise floor, places -> sentences, charts, table, timelines
package report
