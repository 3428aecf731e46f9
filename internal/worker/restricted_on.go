//go:build restricted

package worker

const restricted = true
