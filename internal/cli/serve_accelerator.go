package cli

import (
	"girin/internal/shim/accelerator"
	"girin/internal/worker"
)

// openAccelerators makes ready what the workers are offered. It is no error if
// that fails: the shim in Python does the same.
func (s *server) openAccelerators() {
	if !s.cfg.Accelerator {
		return
	}
	builds, err := accelerator.Builds()
	if err == nil {
		s.accelerators, err = worker.NewAccelerators(builds)
	}
	if err != nil {
		s.log.Warningf("No accelerator is offered to workers: %v", err)
	}
}

// describeShim says what the workers' inner loop is.
func (s *server) describeShim() string {
	facts := s.started.Facts()
	switch {
	case facts.Accelerator != "":
		return "Using shim: C (" + facts.Accelerator + ")"
	case !s.cfg.Accelerator:
		return "Using shim: Python, as --no-accelerator says"
	}
	return "Using shim: Python; of the accelerator: " + facts.NoAccelerator
}
