// Package cgroup tells what this process may use: the cores, memory and threads that
// its control groups (cgroups(7), versions 1 and 2) and the machine leave it, and
// how often the kernel has ended a process of its group for want of memory. It
// reads files and changes nothing.
package cgroup

import (
	"bufio"
	"bytes"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"
)

// Group is the control group of this process, and all above it.
type Group struct {
	root fs.FS // holds proc and sys
}

// Own is the group that this process is in.
func Own() Group { return Group{os.DirFS("/")} }

// folder is where one controller's files of a group lie.
type folder struct {
	version int
	path    string
}

// folders lists those of a controller, the process's own group first, then the
// groups above it. A container may see its own group as the root of the mount
// although the path is the host's, so folders may not be there.
func (g Group) folders(controller string) (found []folder) {
	groups, err := fs.ReadFile(g.root, "proc/self/cgroup")
	if err != nil {
		return nil
	}
	lines := bufio.NewScanner(bytes.NewReader(groups))
	for lines.Scan() {
		fields := strings.SplitN(lines.Text(), ":", 3) // hierarchy:controllers:path
		switch {
		case len(fields) != 3:
		case fields[1] == "":
			found = append(found, climb(2, "sys/fs/cgroup", fields[2])...)
		case slices.Contains(strings.Split(fields[1], ","), controller):
			found = append(found, climb(1, "sys/fs/cgroup/"+controller, fields[2])...)
		}
	}
	return found
}

func climb(version int, mount, group string) (found []folder) {
	for group = path.Clean("/" + group); ; group = path.Dir(group) {
		found = append(found, folder{version, path.Join(mount, group)})
		if group == "/" {
			return found
		}
	}
}

// text reads a file of a folder, without white space around it; "" if there is none.
func (g Group) text(f folder, name string) string {
	b, _ := fs.ReadFile(g.root, path.Join(f.path, name))
	return strings.TrimSpace(string(b))
}
