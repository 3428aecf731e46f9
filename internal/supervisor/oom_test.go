package supervisor

import (
	"os"
	"path/filepath"
	"testing"
)

func TestMemoryGroupCountsKills(t *testing.T) {
	for _, c := range []struct{ name, cgroup, file, before, after string }{
		{"v2", "0::/app.slice\n", "app.slice/memory.events", "low 0\noom 1\noom_kill 0\n", "oom_kill 1\n"},
		{"v2 in a container", "0::/of/the/host\n", "memory.events", "oom_kill 3\n", "oom_kill 4\n"},
		{"v1", "5:devices:/x\n4:cpu,memory:/app\n0::/\n", "memory/app/memory.oom_control",
			"oom_kill_disable 0\nunder_oom 0\noom_kill 7\n", "oom_kill 9\n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			g := &memoryGroup{proc: filepath.Join(t.TempDir(), "cgroup"), mount: t.TempDir()}
			file := filepath.Join(g.mount, c.file)
			write(t, g.proc, c.cgroup)
			write(t, file, c.before)
			g.seen, _ = g.kills()
			if killed, known := g.killed(); killed || !known {
				t.Errorf("before a kill: %v, %v", killed, known)
			}
			write(t, file, c.after)
			if killed, known := g.killed(); !killed || !known {
				t.Errorf("after a kill: %v, %v", killed, known)
			}
			if killed, _ := g.killed(); killed {
				t.Error("the same kill was told twice")
			}
		})
	}
}

func TestMemoryGroupWhereNothingIsKnown(t *testing.T) {
	g := &memoryGroup{proc: filepath.Join(t.TempDir(), "cgroup"), mount: t.TempDir()}
	if killed, known := g.killed(); killed || known {
		t.Errorf("without cgroups: %v, %v", killed, known)
	}
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}
