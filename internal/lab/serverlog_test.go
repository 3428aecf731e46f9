package lab

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A server that prints without end costs megabytes of a folder, not the disk; how it began and how it ended is there.
func TestLongLogsAreShortened(t *testing.T) {
	path := filepath.Join(t.TempDir(), "1_girin_auto.log")
	for _, size := range []int{0, 1000, 3 * keptOfLog, 40 << 20} {
		text := bytes.Repeat([]byte("0123456789abcde\n"), size/16+1)[:size]
		if size > 0 {
			copy(text, "begins")
			copy(text[size-4:], "ends")
		}
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
		shorten(path)
		got, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if whole := bytes.Equal(got, text); whole != (size <= 3*keptOfLog) {
			t.Errorf("%d bytes: whole %v", size, whole)
		}
		if size > 3*keptOfLog && (len(got) > 2*keptOfLog+100 || !bytes.HasPrefix(got, []byte("begins")) || !bytes.HasSuffix(got, []byte("ends")) || !bytes.Contains(got, []byte("38 MiB are left out"))) {
			t.Errorf("%d bytes: %d are left: %.20q ... %.20q", size, len(got), got, got[len(got)-20:])
		}
	}
	shorten(filepath.Join(t.TempDir(), "none"))
}

// Names of any length have a file of their own: file systems take 255 bytes.
func TestNamesOfLogs(t *testing.T) {
	seen := map[string]bool{}
	for _, key := range []string{"1/girin auto/sleep", "1/girin auto/" + strings.Repeat("기린", 100) + "a", "1/girin auto/" + strings.Repeat("기린", 100) + "b"} {
		name := fileName(key)
		if len(name)+len(".log") > 255 || !strings.HasPrefix(name, "1_girin_auto_") || strings.ContainsRune(name, '\uFFFD') || seen[name] {
			t.Errorf("%s: %s", key, name)
		}
		seen[name] = true
	}
}
