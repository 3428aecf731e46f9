package cgroup

import (
	"testing"
	"testing/fstest"
)

func file(text string) *fstest.MapFile { return &fstest.MapFile{Data: []byte(text)} }

func TestKillsAreCountedOnce(t *testing.T) {
	for _, c := range []struct{ name, cgroup, file, before, after string }{
		{"v2", "0::/app.slice\n", "app.slice/memory.events", "low 0\noom 1\noom_kill 0\n", "oom_kill 1\n"},
		{"v2 in a container", "0::/of/the/host\n", "memory.events", "oom_kill 3\n", "oom_kill 4\n"},
		{"v1", "5:devices:/x\n4:cpu,memory:/app\n0::/\n", "memory/app/memory.oom_control",
			"oom_kill_disable 0\nunder_oom 0\noom_kill 7\n", "oom_kill 9\n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			files := fstest.MapFS{"proc/self/cgroup": file(c.cgroup), "sys/fs/cgroup/" + c.file: file(c.before)}
			k := Group{files}.Kills()
			if came, known := k.Came(); came || !known {
				t.Errorf("before a kill: %v, %v", came, known)
			}
			files["sys/fs/cgroup/"+c.file] = file(c.after)
			if came, known := k.Came(); !came || !known {
				t.Errorf("after a kill: %v, %v", came, known)
			}
			if came, _ := k.Came(); came {
				t.Error("the same kill was told twice")
			}
		})
	}
}

func TestKillsWhereNothingIsKnown(t *testing.T) {
	if came, known := (Group{fstest.MapFS{}}).Kills().Came(); came || known {
		t.Errorf("without cgroups: %v, %v", came, known)
	}
}
