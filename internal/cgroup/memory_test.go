package cgroup

import (
	"testing"
	"testing/fstest"
)

func TestMemoryLeft(t *testing.T) {
	const mib = 1 << 20
	meminfo := file("MemTotal:       24000000 kB\nMemAvailable:    1048576 kB\n")
	for name, test := range map[string]struct {
		files fstest.MapFS
		want  int64 // -1: not known
	}{
		"nothing is known": {fstest.MapFS{}, -1},
		"the machine's":    {fstest.MapFS{"proc/meminfo": meminfo}, 1024 * mib},
		"v2 without a limit": {fstest.MapFS{
			"proc/meminfo": meminfo, "proc/self/cgroup": file("0::/app\n"),
			"sys/fs/cgroup/app/memory.max": file("max\n"), "sys/fs/cgroup/app/memory.current": file("5\n"),
		}, 1024 * mib},
		"v2, the cache of files counts as free": {fstest.MapFS{
			"proc/meminfo": meminfo, "proc/self/cgroup": file("0::/app\n"),
			"sys/fs/cgroup/app/memory.max":     file("268435456\n"),
			"sys/fs/cgroup/app/memory.current": file("209715200\n"),
			"sys/fs/cgroup/app/memory.stat":    file("anon 1\ninactive_file 10485760\n"),
		}, 66 * mib},
		"a group above has less": {fstest.MapFS{
			"proc/self/cgroup":                     file("0::/pod/app\n"),
			"sys/fs/cgroup/pod/app/memory.max":     file("268435456\n"),
			"sys/fs/cgroup/pod/app/memory.current": file("0\n"),
			"sys/fs/cgroup/pod/memory.max":         file("10485760\n"),
			"sys/fs/cgroup/pod/memory.current":     file("9437184\n"),
		}, mib},
		"v1": {fstest.MapFS{
			"proc/self/cgroup": file("4:memory:/app\n"),
			"sys/fs/cgroup/memory/app/memory.limit_in_bytes": file("104857600\n"),
			"sys/fs/cgroup/memory/app/memory.usage_in_bytes": file("52428800\n"),
			"sys/fs/cgroup/memory/app/memory.stat":           file("cache 7\ntotal_inactive_file 1048576\n"),
		}, 51 * mib},
		"over the limit": {fstest.MapFS{
			"proc/self/cgroup":                 file("0::/app\n"),
			"sys/fs/cgroup/app/memory.max":     file("100\n"),
			"sys/fs/cgroup/app/memory.current": file("200\n"),
		}, 0},
	} {
		got, known := Group{test.files}.MemoryLeft()
		if !known {
			got = -1
		}
		if got != test.want {
			t.Errorf("%s: %d, want %d", name, got, test.want)
		}
	}
}
