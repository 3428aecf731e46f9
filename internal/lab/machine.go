package lab

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"time"

	"girin/internal/lab/result"
)

// UsableCores is how many cores this process may use: affinity and cgroup quota count,
// which the Go runtime looks after.
func UsableCores() int { return runtime.GOMAXPROCS(0) }

// DescribeMachine records what the results depend on and the plan does not say. What the
// system does not tell stays zero.
func DescribeMachine() result.Machine {
	host, _ := os.Hostname()
	dir, _ := os.Getwd()
	cpuinfo := readText("/proc/cpuinfo")
	return result.Machine{
		Started:       time.Now(),
		Command:       os.Args,
		Directory:     dir,
		Hostname:      host,
		System:        system(),
		CPU:           firstValue(cpuinfo, "model name"),
		LogicalCores:  runtime.NumCPU(),
		PhysicalCores: physicalCores(cpuinfo),
		UsableCores:   UsableCores(),
		CgroupCPU:     smallest(cgroupValues("cpu.max", parseCPUMax)),
		CgroupMemory:  int64(smallest(cgroupValues("memory.max", parseMemoryMax))),
		MemoryBytes:   memoryTotal(readText("/proc/meminfo")),
		LoadAverage:   loadAverage(),
		User:          userName(),
		Nice:          niceOf(0),
		Versions:      map[string]string{},
		Commands:      map[string]string{},
	}
}

func readText(path string) string {
	text, _ := os.ReadFile(path)
	return string(text)
}

func system() string {
	name := firstValue(strings.ReplaceAll(readText("/etc/os-release"), "=", ":"), "PRETTY_NAME")
	kernel := strings.TrimSpace(readText("/proc/sys/kernel/osrelease"))
	return strings.TrimSpace(fmt.Sprintf("%s/%s %s %s", runtime.GOOS, runtime.GOARCH, kernel, strings.Trim(name, `"`)))
}

// firstValue finds "key : value" in lines.
func firstValue(text, key string) string {
	for line := range strings.Lines(text) {
		if name, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(name) == key {
			return strings.TrimSpace(value)
		}
	}
	return ""
}

// physicalCores counts the distinct pairs of socket and core.
func physicalCores(cpuinfo string) int {
	seen := map[string]bool{}
	for block := range strings.SplitSeq(cpuinfo, "\n\n") {
		if core := firstValue(block, "core id"); core != "" {
			seen[firstValue(block, "physical id")+"/"+core] = true
		}
	}
	return len(seen)
}

// cgroupValues reads a file of each cgroup (version 2) from this process's own up to the
// root: the smallest limit holds.
func cgroupValues(file string, parse func(string) float64) []float64 {
	var values []float64
	_, own, _ := strings.Cut(strings.TrimSpace(readText("/proc/self/cgroup")), "::")
	for dir := filepath.Join("/", own); ; dir = filepath.Dir(dir) {
		if v := parse(readText(filepath.Join("/sys/fs/cgroup", dir, file))); v > 0 {
			values = append(values, v)
		}
		if dir == "/" {
			return values
		}
	}
}

func smallest(values []float64) float64 {
	low := 0.0
	for _, v := range values {
		if low == 0 || v < low {
			low = v
		}
	}
	return low
}

// parseCPUMax reads "QUOTA PERIOD" as cores; "max" is no limit, as 0.
func parseCPUMax(text string) float64 {
	var quota, period float64
	if n, _ := fmt.Sscan(text, &quota, &period); n == 2 && period > 0 {
		return quota / period
	}
	return 0
}

func parseMemoryMax(text string) float64 {
	n, _ := strconv.ParseFloat(strings.TrimSpace(text), 64)
	return n
}

func memoryTotal(meminfo string) int64 {
	kib, _ := strconv.ParseInt(strings.TrimSuffix(firstValue(meminfo, "MemTotal"), " kB"), 10, 64)
	return kib << 10
}

func loadAverage() float64 {
	first, _, _ := strings.Cut(readText("/proc/loadavg"), " ")
	load, _ := strconv.ParseFloat(first, 64)
	return load
}

// output runs a short command and returns what it printed, trimmed.
func output(ctx context.Context, dir string, env, argv []string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, 60*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	cmd.Dir, cmd.Env = dir, env
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	err := cmd.Run()
	return strings.TrimSpace(out.String()), err
}
