// Package plan reads the lab's plans: which servers, in which settings, under which
// loads, how often. It owns the YAML format, its checks (each error names its line) and
// the expansion into settings and scenarios. It starts nothing and measures nothing.
package plan
