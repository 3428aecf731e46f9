package worker

import (
	"maps"
	"os"
	"slices"
)

// Accelerators are builds of the shim's inner loop that workers are offered:
// a sealed file in memory for each, whose pages all workers share. A nil
// *Accelerators offers none.
type Accelerators struct {
	tags  []string
	files []*os.File
}

// NewAccelerators puts builds, by tag, into memory.
func NewAccelerators(builds map[string][]byte) (*Accelerators, error) {
	a := &Accelerators{tags: slices.Sorted(maps.Keys(builds))}
	for _, tag := range a.tags {
		f, err := SealedFile("girin-"+tag, builds[tag])
		if err != nil {
			a.Close()
			return nil, err
		}
		a.files = append(a.files, f)
	}
	return a, nil
}

// Close gives the memory back; workers that loaded a build keep it.
func (a *Accelerators) Close() {
	if a == nil {
		return
	}
	for _, f := range a.files {
		f.Close()
	}
}

// inherit returns what a worker inherits of them.
func (a *Accelerators) inherit() []*os.File {
	if a == nil {
		return nil
	}
	return a.files
}

// offer returns their descriptors in a worker by tag, if the first becomes fd.
func (a *Accelerators) offer(fd int) map[string]int {
	if a == nil {
		return nil
	}
	fds := make(map[string]int, len(a.tags))
	for i, tag := range a.tags {
		fds[tag] = fd + i
	}
	return fds
}
