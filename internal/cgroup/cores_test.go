package cgroup

import (
	"testing"
	"testing/fstest"
)

func TestCores(t *testing.T) {
	for name, test := range map[string]struct {
		files fstest.MapFS
		want  int
	}{
		"no control groups": {fstest.MapFS{}, 8},
		"v2 without a quota": {fstest.MapFS{
			"proc/self/cgroup":                 file("0::/user.slice\n"),
			"sys/fs/cgroup/user.slice/cpu.max": file("max 100000\n"),
		}, 8},
		"v2 with a quota": {fstest.MapFS{
			"proc/self/cgroup":          file("0::/app\n"),
			"sys/fs/cgroup/app/cpu.max": file("300000 100000\n"),
		}, 3},
		"part of a core is rounded up": {fstest.MapFS{
			"proc/self/cgroup":          file("0::/app\n"),
			"sys/fs/cgroup/app/cpu.max": file("150000 100000\n"),
		}, 2},
		"never fewer than one": {fstest.MapFS{
			"proc/self/cgroup":          file("0::/app\n"),
			"sys/fs/cgroup/app/cpu.max": file("5000 100000\n"),
		}, 1},
		"a parent's quota holds too": {fstest.MapFS{
			"proc/self/cgroup":              file("0::/pod/app\n"),
			"sys/fs/cgroup/pod/app/cpu.max": file("max 100000\n"),
			"sys/fs/cgroup/pod/cpu.max":     file("200000 100000\n"),
		}, 2},
		"a container that sees its own group as the root": {fstest.MapFS{
			"proc/self/cgroup":      file("0::/docker/abc\n"),
			"sys/fs/cgroup/cpu.max": file("100000 100000\n"),
		}, 1},
		"v1": {fstest.MapFS{
			"proc/self/cgroup":                        file("5:memory:/x\n4:cpu,cpuacct:/app\n"),
			"sys/fs/cgroup/cpu/app/cpu.cfs_quota_us":  file("400000\n"),
			"sys/fs/cgroup/cpu/app/cpu.cfs_period_us": file("100000\n"),
		}, 4},
		"v1 without a quota": {fstest.MapFS{
			"proc/self/cgroup":                    file("4:cpuacct,cpu:/\n"),
			"sys/fs/cgroup/cpu/cpu.cfs_quota_us":  file("-1\n"),
			"sys/fs/cgroup/cpu/cpu.cfs_period_us": file("100000\n"),
		}, 8},
		"a quota above the affinity mask": {fstest.MapFS{
			"proc/self/cgroup":      file("0::/\n"),
			"sys/fs/cgroup/cpu.max": file("6400000 100000\n"),
		}, 8},
		"nonsense": {fstest.MapFS{
			"proc/self/cgroup":      file("nonsense\n0::/\n"),
			"sys/fs/cgroup/cpu.max": file("\n"),
		}, 8},
	} {
		if got := (Group{test.files}).coresOf(8); got != test.want {
			t.Errorf("%s: %d, want %d", name, got, test.want)
		}
	}
}
