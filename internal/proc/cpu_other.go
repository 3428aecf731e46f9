//go:build !linux

package proc

import "time"

// CPU is not known here.
func (p *Process) CPU() time.Duration { return 0 }

// In is not known here.
func (p *Process) In(string) bool { return false }
