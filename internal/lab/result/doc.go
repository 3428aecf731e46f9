// Package result is what a lab run leaves behind: the folder with the plan, the machine,
// one JSON line per run and results.csv. It owns the formats and nothing else; the runner
// writes them, the report and every other command read them.
//
//	plan.yaml      the plan, byte for byte
//	machine.json   Machine: what it ran on, versions, command lines, what was skipped
//	runs.jsonl     Run per line, in the order in which they were measured
//	results.csv    the same without request stamps, one row per run, for pandas
//	logs/          what each server printed
//	report.html    and charts/, drawn from the above
package result
