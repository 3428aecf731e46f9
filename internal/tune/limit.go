package tune

import (
	"cmp"
	"fmt"
	"slices"

	"girin/internal/neighbours"
)

// Load is what a confirming run of the chosen setting showed at its rate.
type Load struct {
	Rate      float64 `json:"rate"`
	ServerCPU float64 `json:"server_cpu"` // cores that the server used
	ClientCPU float64 `json:"client_cpu"` // cores that the load generator used
	OthersCPU float64 `json:"others_cpu"` // cores that other programs used
	// ClientFull says that the load generator had no more to give.
	ClientFull bool        `json:"client_full,omitempty"`
	P50MS      float64     `json:"p50_ms"`
	P99MS      float64     `json:"p99_ms"`
	Requests   int64       `json:"requests"`
	Failed     int64       `json:"failed"`
	MemoryMiB  float64     `json:"memory_mib"`
	Routes     []RouteLoad `json:"routes"`
}

// RouteLoad is one request's latency among the others.
type RouteLoad struct {
	Name  string  `json:"name"`
	P99MS float64 `json:"p99_ms"`
}

// fullClient is the share of its cores from which on the load generator holds things up.
const fullClient = 0.8

// limit says what keeps a setting from holding more, by what the confirming run used up.
func limit(r *Result, a *Answer) string {
	l := r.Load
	if l == nil || l.ServerCPU == 0 { // a system that does not tell
		return ""
	}
	cores := float64(r.Cores)
	busy := r.serviceTime() * a.Rate / 1000 // requests at work at once, by Little's law
	slots := a.Best.Setting.Slots()
	switch {
	case neighbours.Crowd(l.OthersCPU, r.Cores) && l.ServerCPU+l.ClientCPU+l.OthersCPU >= 0.85*cores:
		return fmt.Sprintf("Other programs limit it: they use %.1f of %d cores, the server %.1f, the load generator %.1f. On a quiet machine it holds more.",
			l.OthersCPU, r.Cores, l.ServerCPU, l.ClientCPU)
	case l.ClientFull, l.ServerCPU+l.ClientCPU >= 0.85*cores && l.ClientCPU > l.ServerCPU:
		return fmt.Sprintf("The load generator limits it: it uses %.1f of %d cores, the server %.1f. On another machine it may hold more.", l.ClientCPU, r.Cores, l.ServerCPU)
	case l.ServerCPU+l.ClientCPU >= 0.85*cores:
		return fmt.Sprintf("The cores limit it: the server uses %.1f of %d, the load generator %.1f%s.", l.ServerCPU, r.Cores, l.ClientCPU, r.dearest())
	case slots > 0 && busy >= 0.8*float64(slots):
		return fmt.Sprintf("That it runs %d requests at once limits it: %.0f are under way at this rate, and the server uses %.1f of %d cores.", slots, min(busy, float64(slots)), l.ServerCPU, r.Cores)
	case a.Best.Setting.Workers == 1 && l.ServerCPU >= 0.8:
		return fmt.Sprintf("Python's lock (GIL) limits it: one process uses %.1f of %d cores.", l.ServerCPU, r.Cores)
	case r.slowRoute() != "":
		return r.slowRoute()
	case l.ServerCPU < 0.6*cores && r.waits():
		return fmt.Sprintf("What the application waits for limits it, a database or another service: the server uses %.1f of %d cores.", l.ServerCPU, r.Cores)
	}
	return fmt.Sprintf("No single thing limits it: the server uses %.1f of %d cores, the load generator %.1f; above this rate requests come in each other's way%s.",
		l.ServerCPU, r.Cores, l.ClientCPU, r.dearest())
}

// serviceTime is the mean time of a request alone, in milliseconds.
func (r *Result) serviceTime() (ms float64) {
	for _, route := range r.Routes {
		ms += route.Share * route.ServiceMS
	}
	return ms
}

// waits reports whether most of the time of requests is waiting.
func (r *Result) waits() bool {
	var cpu float64
	for _, route := range r.Routes {
		cpu += route.Share * route.CPUMS
	}
	return cpu < 0.5*r.serviceTime()
}

// dearest names the route that takes most of the CPU time, if there are several.
func (r *Result) dearest() string {
	var sum, most float64
	name := ""
	for _, route := range r.Routes {
		cpu := route.Share * route.CPUMS
		if sum += cpu; cpu > most {
			most, name = cpu, route.Name
		}
	}
	if len(r.Routes) < 2 || most < 0.3*sum {
		return ""
	}
	return fmt.Sprintf("; %s takes %.0f %% of the CPU time", name, 100*most/sum)
}

// slowRoute is a route that alone takes most of what the SLO allows.
func (r *Result) slowRoute() string {
	slowest := slices.MaxFunc(r.Routes, func(a, b Route) int { return cmp.Compare(a.ServiceMS, b.ServiceMS) })
	if r.LimitMS == 0 || slowest.ServiceMS < 0.6*r.LimitMS {
		return ""
	}
	return fmt.Sprintf("%s limits it: alone it takes %.3g ms of the %.3g ms that the SLO allows.", slowest.Name, slowest.ServiceMS, r.LimitMS)
}
