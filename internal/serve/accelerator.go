package serve

import (
	"girin/internal/shim/accelerator"
	"girin/internal/worker"
)

// openAccelerators makes ready what the workers are offered. It is no error if
// that fails: the shim in Python does the same.
func (s *server) openAccelerators() error {
	if !s.cfg.Accelerator {
		return nil
	}
	builds, err := accelerator.Builds()
	if err == nil {
		s.accelerators, err = worker.NewAccelerators(builds)
	}
	if err != nil {
		s.log.Warningf("No accelerator is offered to workers: %v", err)
	}
	return nil
}

// tellOfGIL says what a free-threaded Python does with the application; of others nobody asks.
func (s *server) tellOfGIL(facts worker.Facts) {
	switch {
	case !facts.FreeThreaded:
	case facts.GIL:
		s.log.Warningf("This Python is free-threaded, but its GIL is on: a module that the application imports has turned it on, or PYTHON_GIL=1")
	default:
		s.log.Infof("This Python has no GIL: the threads of a worker compute at once")
	}
}

// describePython says which interpreter runs the application, and what the
// workers' inner loop is.
func (s *server) describePython(w *worker.Worker) string {
	facts := w.Facts()
	python := "Using Python " + facts.Python + " (" + s.python + "), "
	switch {
	case facts.Accelerator != "":
		return python + "shim in C (" + facts.Accelerator + ")"
	case !s.cfg.Accelerator:
		return python + "shim in Python, as --no-accelerator says"
	}
	return python + "shim in Python: the faster one in C is off, because " + facts.NoAccelerator
}
