//go:build !linux

package worker

import "time"

// CPU is not known here.
func (w *Worker) CPU() time.Duration { return w.proc.CPU() }

// Beside is not known here.
func (w *Worker) Beside() time.Duration { return 0 }

// Runnable is not known here; a request that computes keeps its slot.
func (w *Worker) Runnable() bool { return true }

// Memory is not known here.
func (w *Worker) Memory() int64 { return w.proc.Memory() }

// Background does nothing here.
func (w *Worker) Background(bool) {}
