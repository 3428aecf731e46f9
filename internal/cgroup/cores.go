package cgroup

import (
	"math"
	"runtime"
	"strconv"
	"strings"
)

// Cores is how many cores this process may use: what its affinity mask and the
// quotas of its control groups allow, not what the host has. A quota of a part of
// a core counts as a whole one.
func (g Group) Cores() int {
	return g.coresOf(runtime.NumCPU()) // NumCPU is the affinity mask's count
}

func (g Group) coresOf(n int) int {
	if quota, ok := g.Quota(); ok {
		n = min(n, int(math.Ceil(quota)))
	}
	return max(n, 1)
}

// Quota is the least CPU quota in cores of the group and those above it; it is not
// ok if there is none.
func (g Group) Quota() (cores float64, ok bool) {
	for _, f := range g.folders("cpu") {
		if quota, limited := g.quota(f); limited && (!ok || quota < cores) {
			cores, ok = quota, true
		}
	}
	return cores, ok
}

// quota is the CPU quota in cores: "150000 100000", quota and period in
// microseconds, of version 2's cpu.max; cpu.cfs_quota_us and cpu.cfs_period_us of
// version 1. Without a quota (max, -1) it is not ok.
func (g Group) quota(f folder) (cores float64, ok bool) {
	quota, period, _ := strings.Cut(g.text(f, "cpu.max"), " ")
	if f.version == 1 {
		quota, period = g.text(f, "cpu.cfs_quota_us"), g.text(f, "cpu.cfs_period_us")
	}
	q, err := strconv.ParseFloat(quota, 64)
	if err != nil || q <= 0 {
		return 0, false
	}
	p, err := strconv.ParseFloat(period, 64)
	if err != nil || p <= 0 {
		return 0, false
	}
	return q / p, true
}
