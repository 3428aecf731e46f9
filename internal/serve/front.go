package serve

import (
	"cmp"
	"maps"
	"net/netip"
	"slices"
	"strings"

	"girin/internal/cgroup"
	"girin/internal/config"
	"girin/internal/front"
	"girin/internal/http1"
	"girin/internal/pattern"
	"girin/internal/wire"
)

func (s *server) frontConfig() front.Config {
	c := s.cfg
	streamed, _ := pattern.Parse(c.StreamRequests) // which the configuration has checked
	files := s.maxFiles()
	return front.Config{
		Queue: s.queue, Asked: asked(c), MaxConns: min(files, wire.FlagTable-1), MaxFiles: files,
		SpoolDir: cmp.Or(c.SpoolDir, c.TmpUploadDir), MemoryLeft: cgroup.Own().MemoryLeft, SpoolResponse: c.SpoolResponse,
		HealthPath: c.HealthCheckPath, LivenessPath: c.LivenessCheckPath, ServerTiming: c.ServerTiming, SendFile: c.SendFile,
		Name: c.ServerHeader, TLS: s.tls, HTTP2: http2Options(c), Rests: true, ScriptName: scriptName(s.env.Getenv, c.RawEnv),
		Access: s.access, Metrics: s.metrics, Log: s.log, Guard: s.guard, Clock: monotonic(), Ready: func() bool { return s.queue.Capacity() > 0 },
		Stream: streamed, Remote: s.isJob(), Refuses: s.refusesJob(), Limit: s.limitOfJob(), Sockets: socketOptions(c),
	}
}

// asked is what is asked of clients and believed of them.
func asked(c *config.Config) front.Asked {
	return front.Asked{
		Limits: limitsOfHeads(c), LongHeads: front.LongHeads{Line: !c.Chosen("limit_request_line"), Field: !c.Chosen("limit_request_field_size")},
		MaxBody: c.LimitRequestBody, KeepAlive: c.KeepAlive, Trust: trust(c), Proxy: proxyProtocol(c),
	}
}

func limitsOfHeads(c *config.Config) http1.Limits {
	return http1.Limits{
		RequestLine: c.LimitRequestLine, Fields: c.LimitRequestFields, FieldSize: c.LimitRequestFieldSize,
		Underscores: underscores[c.HeaderMap], Connect: true,
	}
}

func socketOptions(c *config.Config) front.SocketOptions {
	return front.SocketOptions{
		Off:          c.WS == "none",
		PingInterval: c.PingInterval, PingTimeout: c.PingTimeout, MaxMessage: int(c.MaxMessage), MaxQueue: int(c.WSMaxQueue),
		Drain: c.WSDrain, Deflate: c.WSDeflate,
	}
}

// scriptName is the mount point that the environment tells; raw_env counts for more. What
// the application's own process knows of it comes with its first worker.
func scriptName(getenv func(string) string, raw []string) string {
	mount := getenv("SCRIPT_NAME")
	for _, variable := range raw {
		if value, ok := strings.CutPrefix(variable, "SCRIPT_NAME="); ok {
			mount = value
		}
	}
	return mount
}

var underscores = map[string]http1.Underscores{
	"drop": http1.DropUnderscores, "refuse": http1.RefuseUnderscores, "dangerous": http1.KeepUnderscores,
}

// trust reads what proxies may tell.
func trust(c *config.Config) front.Trust {
	t := front.Trust{Peers: peers(c.ForwardedAllowIPs), Forwarder: c.ForwarderHeaders}
	for _, name := range slices.Sorted(maps.Keys(c.SecureSchemeHeaders)) {
		t.Secure = append(t.Secure, front.SecureField{Name: name, Value: c.SecureSchemeHeaders[name]})
	}
	return t
}

func proxyProtocol(c *config.Config) front.ProxyProtocol {
	versions := map[string]front.ProxyVersions{
		"v1": front.ProxyV1, "v2": front.ProxyV2, "auto": front.ProxyV1 | front.ProxyV2,
	}
	return front.ProxyProtocol{Versions: versions[c.ProxyProtocol], Allow: peers(c.ProxyAllowIPs)}
}

// peers reads addresses and networks. They were checked when the configuration
// was loaded.
func peers(list []string) (p front.Peers) {
	for _, text := range list {
		if text == config.Nobody {
			p.None = true
		} else if text == "*" {
			p.All = true
		} else if n, err := netip.ParsePrefix(text); err == nil {
			p.Networks = append(p.Networks, n)
		} else if a, err := netip.ParseAddr(text); err == nil {
			p.Networks = append(p.Networks, netip.PrefixFrom(a, a.BitLen()))
		}
	}
	return p
}

func http2Options(c *config.Config) front.HTTP2Options {
	return front.HTTP2Options{
		MaxStreams: c.HTTP2MaxStreams, Window: c.HTTP2Window, MaxFrame: c.HTTP2MaxFrame, MaxHeaderList: c.HTTP2MaxHeaderList,
		Clear: c.HTTP2Clear == "prior-knowledge" || c.HTTP2Clear == "both",
	}
}
