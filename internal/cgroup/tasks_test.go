package cgroup

import (
	"testing"
	"testing/fstest"
)

func TestTasksLeft(t *testing.T) {
	for name, test := range map[string]struct {
		files fstest.MapFS
		want  int64 // -1: any number
	}{
		"nothing is known": {fstest.MapFS{}, -1},
		"no limit": {fstest.MapFS{
			"proc/self/cgroup": file("0::/app\n"), "sys/fs/cgroup/app/pids.max": file("max\n"), "sys/fs/cgroup/app/pids.current": file("5\n"),
		}, -1},
		"a group above has less": {fstest.MapFS{
			"proc/self/cgroup":               file("0::/pod/app\n"),
			"sys/fs/cgroup/pod/app/pids.max": file("100\n"), "sys/fs/cgroup/pod/app/pids.current": file("5\n"),
			"sys/fs/cgroup/pod/pids.max": file("30\n"), "sys/fs/cgroup/pod/pids.current": file("20\n"),
		}, 10},
		"v1, and beyond the limit": {fstest.MapFS{
			"proc/self/cgroup":                file("4:pids:/app\n"),
			"sys/fs/cgroup/pids/app/pids.max": file("5\n"), "sys/fs/cgroup/pids/app/pids.current": file("9\n"),
		}, 0},
	} {
		n, ok := Group{test.files}.TasksLeft()
		if !ok {
			n = -1
		}
		if n != test.want {
			t.Errorf("%s: %d, want %d", name, n, test.want)
		}
	}
}
