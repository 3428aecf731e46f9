package proc

import "sync"

// family is what a Starter's processes have in common with its reaper: whose
// end is somebody's to wait for.
type family struct {
	mu   sync.Mutex // held from before a process is started until it is in pids
	pids map[int]bool
}

// add knows the process that begin starts before the reaper can see its end.
func (f *family) add(begin func() (*Process, error)) (*Process, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	p, err := begin()
	if err != nil {
		return nil, err
	}
	f.pids[p.PID()] = true
	go func() {
		<-p.Done()
		f.mu.Lock()
		defer f.mu.Unlock()
		delete(f.pids, p.PID())
	}()
	return p, nil
}
