package serve

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"girin/internal/config"
)

// appVersion names the application as it is now: servers that share a queue run only jobs
// of the version that they serve.
func (s *server) appVersion(c *config.Config) string {
	getenv := s.env.Getenv
	if v := cmp.Or(c.OffloadVersion, getenv("SOURCE_COMMIT"), getenv("GIT_SHA")); v != "" {
		return v
	}
	h := sha256.New()
	hashInstalled(h, s.python)
	for _, dir := range append([]string{c.Chdir}, c.PythonPath...) {
		hashSources(h, dir)
	}
	return hex.EncodeToString(h.Sum(nil))[:versionDigits]
}

const versionDigits = 12

// hashSources adds the Python files below a directory, in the order of their names.
func hashSources(h io.Writer, root string) {
	_ = filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return nil // what cannot be read cannot be imported
		case d.IsDir():
			if path != root && (strings.HasPrefix(d.Name(), ".") || slices.Contains(notCode, d.Name()) || isVenv(path)) {
				return filepath.SkipDir
			}
			return nil
		case filepath.Ext(path) != ".py":
			return nil
		}
		rel, _ := filepath.Rel(root, path)
		_, _ = io.WriteString(h, rel+"\x00")
		if f, err := os.Open(path); err == nil {
			_, _ = io.Copy(h, f)
			f.Close()
		}
		return nil
	})
}

// hashInstalled adds the interpreter's version and the distributions beside it, as their
// directories name them: lib/python3.12/site-packages/flask-3.1.0.dist-info.
func hashInstalled(h io.Writer, python string) {
	names, _ := filepath.Glob(filepath.Join(filepath.Dir(filepath.Dir(python)), "lib", "python*", "site-packages", "*.dist-info"))
	slices.Sort(names)
	for _, name := range names {
		_, _ = io.WriteString(h, filepath.Base(filepath.Dir(filepath.Dir(name)))+"/"+filepath.Base(name)+"\x00")
	}
}
