package lab

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
)

// ticksPerSecond is the unit of CPU times in /proc. It is 100 wherever Linux has USER_HZ
// in its interface, whatever the kernel's own tick is.
const ticksPerSecond = 100

// A process is one line of the process table.
type process struct {
	pid, parent, group int
	cpu                time.Duration // own and that of children that were waited for
}

// processTree returns the process and everything it started: descendants, and those that
// were left by their parent but are still in its process group.
func processTree(root int) []process {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil
	}
	children := map[int][]process{}
	var tree []process
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		p, err := readProcess(pid)
		if err != nil {
			continue // ended since
		}
		if p.pid == root || p.group == root {
			tree = append(tree, p)
		} else {
			children[p.parent] = append(children[p.parent], p)
		}
	}
	for i := 0; i < len(tree); i++ {
		tree = append(tree, children[tree[i].pid]...)
	}
	return tree
}

func readProcess(pid int) (process, error) {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return process{}, err
	}
	return parseStat(pid, stat)
}

// parseStat reads proc(5)'s stat: the name, in parentheses, may itself hold any of them.
func parseStat(pid int, stat []byte) (process, error) {
	end := bytes.LastIndexByte(stat, ')')
	fields := strings.Fields(string(stat[end+1:]))
	if end < 0 || len(fields) < 15 {
		return process{}, fmt.Errorf("/proc/%d/stat: unexpected %q", pid, stat)
	}
	var ints [15]int
	for _, i := range []int{1, 2, 11, 12, 13, 14} { // ppid, pgrp, utime, stime, cutime, cstime
		n, err := strconv.Atoi(fields[i])
		if err != nil {
			return process{}, fmt.Errorf("/proc/%d/stat: %w", pid, err)
		}
		ints[i] = n
	}
	ticks := ints[11] + ints[12] + ints[13] + ints[14]
	return process{pid: pid, parent: ints[1], group: ints[2], cpu: time.Duration(ticks) * time.Second / ticksPerSecond}, nil
}

// cpuOf is the CPU time that the tree of root has used, the ended ones that were waited for
// included.
func cpuOf(root int) time.Duration {
	var sum time.Duration
	for _, p := range processTree(root) {
		sum += p.cpu
	}
	return sum
}

// memoryOf is the proportional set size of a tree in MiB: shared pages count once, divided
// among those that share them. It returns the number of processes too.
func memoryOf(root int) (mib float64, processes int) {
	tree := processTree(root)
	for _, p := range tree {
		rollup, err := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", p.pid))
		if err == nil {
			mib += pss(rollup) / 1024
		}
	}
	return mib, len(tree)
}

func pss(rollup []byte) float64 {
	for line := range strings.Lines(string(rollup)) {
		if kib, ok := strings.CutPrefix(line, "Pss:"); ok {
			n, _ := strconv.ParseFloat(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(kib), "kB")), 64)
			return n
		}
	}
	return 0
}
