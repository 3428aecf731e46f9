package shim_test

import (
	"crypto/sha256"
	"encoding/hex"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"girin/internal/shim"
)

func TestArchiveHoldsEveryModule(t *testing.T) {
	archive, err := shim.Archive("")
	if err != nil {
		t.Fatal(err)
	}
	parts := strings.Split(string(archive), "\x00")
	if len(parts)%2 != 0 {
		t.Fatalf("%d parts: names and sources do not pair; does a source hold a NUL?", len(parts))
	}
	if parts[0] != "loader.py" {
		t.Errorf("the first module is %s; the bootstrap runs the loader", parts[0])
	}
	got := map[string]string{}
	for i := 0; i < len(parts); i += 2 {
		got[parts[i]] = parts[i+1]
	}
	const folder = "_girin_shim"
	files, err := filepath.Glob(folder + "/*.py")
	packaged, _ := filepath.Glob(folder + "/*/*.py")
	if files = append(files, packaged...); err != nil || len(files) == 0 {
		t.Fatalf("no sources: %v", err)
	}
	for _, file := range files {
		want, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if name := strings.TrimPrefix(file, folder+"/"); got[name] != string(want) {
			t.Errorf("%s is not in the archive as it is on disk", name)
		}
	}
	if len(got) != len(files) {
		t.Errorf("the archive holds %d modules, the folder %d", len(got), len(files))
	}
}

func TestArchiveNamesThePlaceOfItsCode(t *testing.T) {
	without, err := shim.Archive("")
	if err != nil {
		t.Fatal(err)
	}
	with, err := shim.Archive("/cache")
	if err != nil {
		t.Fatal(err)
	}
	name, found := strings.CutPrefix(string(with), string(without)+"\x00code\x00/cache/shim-")
	if sum := sha256.Sum256(without); !found || name != hex.EncodeToString(sum[:12]) {
		t.Errorf("the archive ends with %q: the name must be that of these sources alone", with[len(without):])
	}
}
