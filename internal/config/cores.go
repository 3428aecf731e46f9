package config

import (
	"bufio"
	"bytes"
	"io/fs"
	"os"
	"path"
	"runtime"
	"strconv"
	"strings"
)

// Cores is how many cores this process may use: what its affinity mask and the quota of its
// control group allow, not what the host has. A quota of a part of a core counts as a whole one.
func Cores() int {
	return coresWithin(os.DirFS("/"), runtime.NumCPU()) // NumCPU is the affinity mask's count
}

// coresWithin lowers n to the quota found in the file system root.
func coresWithin(root fs.FS, n int) int {
	for _, quota := range quotas(root) {
		if whole := int(quota); float64(whole) < quota {
			n = min(n, whole+1)
		} else {
			n = min(n, whole)
		}
	}
	return max(n, 1)
}

// quotas lists the CPU quotas, in cores, of the process's control group and of all above it.
// See cgroups(7), and cpu.max and cpu.cfs_quota_us in the kernel's cgroup-v2 and cgroup-v1 documents.
func quotas(root fs.FS) []float64 {
	groups, err := fs.ReadFile(root, "proc/self/cgroup")
	if err != nil {
		return nil
	}
	var found []float64
	lines := bufio.NewScanner(bytes.NewReader(groups))
	for lines.Scan() {
		fields := strings.SplitN(lines.Text(), ":", 3) // hierarchy:controllers:path
		if len(fields) != 3 {
			continue
		}
		if fields[1] == "" {
			found = append(found, climb(root, "sys/fs/cgroup", fields[2], quotaV2)...)
		} else if strings.Contains(","+fields[1]+",", ",cpu,") {
			found = append(found, climb(root, "sys/fs/cgroup/cpu", fields[2], quotaV1)...)
		}
	}
	return found
}

// climb reads the quota of a group and of its parents. A container may see its own group as the
// root of the mount, although the path is the host's, so groups that are not there are passed over.
func climb(root fs.FS, mount, group string, read func(fs.FS, string) (float64, bool)) []float64 {
	var found []float64
	for group = path.Clean("/" + group); ; group = path.Dir(group) {
		if quota, ok := read(root, path.Join(mount, group)); ok {
			found = append(found, quota)
		}
		if group == "/" {
			return found
		}
	}
}

// quotaV2 reads "150000 100000" (quota and period in microseconds) or "max 100000".
func quotaV2(root fs.FS, dir string) (float64, bool) {
	text, err := fs.ReadFile(root, path.Join(dir, "cpu.max"))
	if err != nil {
		return 0, false
	}
	quota, period, _ := strings.Cut(strings.TrimSpace(string(text)), " ")
	return ratio(quota, period)
}

func quotaV1(root fs.FS, dir string) (float64, bool) {
	quota, err := fs.ReadFile(root, path.Join(dir, "cpu.cfs_quota_us"))
	if err != nil {
		return 0, false
	}
	period, err := fs.ReadFile(root, path.Join(dir, "cpu.cfs_period_us"))
	if err != nil {
		return 0, false
	}
	return ratio(string(quota), string(period))
}

// ratio is quota/period; no quota ("max", -1) is not ok.
func ratio(quota, period string) (float64, bool) {
	q, err := strconv.ParseFloat(strings.TrimSpace(quota), 64)
	if err != nil || q <= 0 {
		return 0, false
	}
	p, err := strconv.ParseFloat(strings.TrimSpace(period), 64)
	if err != nil || p <= 0 {
		return 0, false
	}
	return q / p, true
}
