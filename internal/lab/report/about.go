package report

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"girin/internal/lab/chart"
	"girin/internal/lab/plan"
	"girin/internal/lab/result"
)

func machineView(m *result.Machine) []pair {
	unlimited := func(v, unit string) string {
		if v == "0" {
			return "none"
		}
		return v + unit
	}
	all := []pair{
		{"system", m.System},
		{"CPU", fmt.Sprintf("%s; %d logical cores, %s physical, %d usable", m.CPU, m.LogicalCores, orUnknown(m.PhysicalCores), m.UsableCores)},
		{"cgroup limits", "CPU " + unlimited(fmt.Sprint(m.CgroupCPU), " cores") + ", memory " + unlimited(fmt.Sprint(m.CgroupMemory>>20), " MiB")},
		{"memory", fmt.Sprintf("%d MiB", m.MemoryBytes>>20)},
		{"load at the start", fmt.Sprintf("%.2f", m.LoadAverage)},
		{"privileges", privileges(m)},
		{"girin", m.Lab},
		{"Python", m.Python},
		{"command", strings.Join(m.Command, " ")},
		{"started", m.Started.Format("2006-01-02 15:04:05 MST")},
	}
	for _, name := range slices.Sorted(maps.Keys(m.Versions)) {
		all = append(all, pair{name, m.Versions[name]})
	}
	return all
}

// privileges says as whom and at which priorities processes ran, and what of it failed.
func privileges(m *result.Machine) string {
	if m.User == "" {
		return "not recorded"
	}
	s := fmt.Sprintf("user %s; servers at nice %d, load generators at nice %d", m.User, m.Nice, m.LoadNice)
	if m.LoadNiceFailed != "" {
		s += fmt.Sprintf(" (they could not be put before the servers: %s; on busy cores their lag looks like the servers')", m.LoadNiceFailed)
	}
	return s
}

func orUnknown(n int) string {
	if n == 0 {
		return "an unknown number of"
	}
	return strconv.Itoa(n)
}

// reading explains the charts, as far as this run has what is explained.
func reading(f *result.Folder, all []*panel) []string {
	lines := []string{
		"The run, not the request, is the sample: a setting's requests share one server and one moment of the machine. Medians are over runs; intervals hold the true median with 95 % certainty (order statistics; at least 6 runs). A place is 1 plus the number of settings that are certainly better. All places of an endpoint hold at once with 95 % confidence: Student's t of logarithms, with variances moderated by those of all settings (Smyth 2004), corrected for all pairs (Holm 1979); differences below 1 % are none.",
		"Requests per second and time per request are those of ab. One thing differs: ab's clients do not all send at once in its first round, so that it needs an extra one. For -n 32 -c 16 on a 1 s sleep ab takes 3 s where 16 at once need 2; girin bench takes 2.",
		"A run does not count if requests failed, if answers differ in status or body, or if the load generator was itself the bottleneck. ≈ marks a percentile that the sample is too small for.",
		"Every server imports the app through the same small wrapper, which adds the times when a request reached the app and when the app answered. The timelines (click a bar or a setting's name) are drawn from them.",
	}
	for _, p := range all {
		if p.Kind == plan.Computing && p.Alone && p.ComputeS > 0 {
			lines = append(lines, fmt.Sprintf("The ideal of %s takes the fastest single computation seen, %s ms, times the processes that can have a core.", p.Name(), chart.Format(1000*p.ComputeS)))
		}
	}
	for _, s := range f.Plan.Expand(max(1, f.Machine.UsableCores)) {
		if s.Class == "gaiohttp" && f.Plan.SubjectOf(s).Server == "gunicorn" {
			lines = append(lines, "gunicorn dropped its class gaiohttp with version 20. What is shown under that name is aiohttp's own gunicorn worker with the app behind aiohttp-wsgi, which runs it in T threads beside the event loop; the old class ran it on the loop.")
			break
		}
	}
	return lines
}
