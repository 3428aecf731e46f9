package config

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
)

// FoundApp is an application that nobody named: what to load, and where it was seen.
type FoundApp struct {
	App  string // as on the command line: app:app, or app:create_app()
	File string // relative to the folder
}

// Modules that an application is looked for in, in this order; manage.py comes before asgi, since a
// Django project has both.
var (
	appModules = []string{"app", "main", "wsgi"}
	appNames   = []string{"app", "application"}
	factories  = []string{"create_app", "make_app"}
)

// FindApp looks in dir for what `girin` without an application most likely means. It reads source
// and imports nothing: an import may have effects.
func FindApp(dir string) (FoundApp, bool) {
	for _, module := range appModules {
		for _, file := range []string{module + ".py", filepath.Join(module, "__init__.py")} {
			if name := appIn(filepath.Join(dir, file)); name != "" {
				return FoundApp{App: module + ":" + name, File: file}, true
			}
		}
	}
	if found, ok := djangoProject(dir); ok {
		return found, true
	}
	for _, module := range []string{"asgi", "app/main"} {
		if name := appIn(filepath.Join(dir, module+".py")); name != "" {
			return FoundApp{App: strings.ReplaceAll(module, "/", ".") + ":" + name, File: module + ".py"}, true
		}
	}
	return onlyApp(dir)
}

// onlyApp is the application of a module or package of any other name, such as hello.py or
// shop/__init__.py, if the folder has one alone.
func onlyApp(dir string) (FoundApp, bool) {
	modules, _ := filepath.Glob(filepath.Join(escapeGlob(dir), "*.py"))
	packages, _ := filepath.Glob(filepath.Join(escapeGlob(dir), "*", "__init__.py"))
	var found []FoundApp
	for _, path := range append(modules, packages...) {
		file, _ := filepath.Rel(dir, path)
		module := strings.TrimSuffix(strings.TrimSuffix(file, ".py"), string(filepath.Separator)+"__init__")
		if !identifier.MatchString(module) || noApp.MatchString(module) {
			continue
		}
		if name := appIn(path); name != "" && (strings.HasSuffix(path, "__init__.py") || !imports(path, name)) {
			found = append(found, FoundApp{App: module + ":" + name, File: file})
		}
	}
	if len(found) != 1 {
		return FoundApp{}, false
	}
	return found[0], true
}

var (
	identifier = regexp.MustCompile(`^[A-Za-z_]\w*$`)
	noApp      = regexp.MustCompile(`^(__init__|setup|conftest|tests?|test_.*|.*_test)$`)
)

// escapeGlob takes a path for what it says, though it has letters that mean something to Glob.
func escapeGlob(path string) string {
	return regexp.MustCompile(`[*?\[\\]`).ReplaceAllString(path, `\$0`)
}

// appIn is the application that a module has at its top level: a variable, or a factory that needs
// no argument; else empty.
func appIn(path string) string {
	if info, err := os.Stat(path); err != nil || !info.Mode().IsRegular() {
		return ""
	}
	source, err := os.ReadFile(path)
	if err != nil {
		return ""
	}
	for _, name := range appNames {
		if regexp.MustCompile(`(?m)^` + name + `\s*(:[^=\n]+)?=[^=]|^from\s+\S+\s+import\s[^#\n]*\b` + name + `\s*(,|$|#)|^(async )?def ` + name + `\(\s*\w+\s*,\s*\w+\s*(,\s*\w+\s*)?\)`).Match(source) {
			return name
		}
	}
	for _, name := range factories {
		if m := regexp.MustCompile(`(?m)^def ` + name + `\(([^)]*)\)`).FindSubmatch(source); m != nil && needsNothing(string(m[1])) {
			return name + "()"
		}
	}
	return ""
}

// imports reports whether a module has name from elsewhere: then it is a script that uses the
// application, perhaps one that empties its database, and not where it is served from.
func imports(path, name string) bool {
	source, err := os.ReadFile(path)
	return err != nil || regexp.MustCompile(`(?m)^from\s+\S+\s+import\s[^#\n]*\b`+name+`\s*(,|$|#)`).Match(source)
}

// needsNothing reports whether each of a function's parameters has a default.
func needsNothing(parameters string) bool {
	for p := range strings.SplitSeq(parameters, ",") {
		if p = strings.TrimSpace(p); p != "" && !strings.Contains(p, "=") && !strings.HasPrefix(p, "*") {
			return false
		}
	}
	return true
}

var settingsModule = regexp.MustCompile(`DJANGO_SETTINGS_MODULE['"]\s*,\s*['"]([\w.]+)['"]`)

// djangoProject follows manage.py to the project's wsgi module, which lies beside its settings or above.
func djangoProject(dir string) (FoundApp, bool) {
	source, err := os.ReadFile(filepath.Join(dir, "manage.py"))
	if err != nil {
		return FoundApp{}, false
	}
	m := settingsModule.FindSubmatch(source)
	if m == nil {
		return FoundApp{}, false
	}
	parts := strings.Split(string(m[1]), ".")
	for n := len(parts) - 1; n > 0; n-- {
		file := filepath.Join(filepath.Join(parts[:n]...), "wsgi.py")
		if _, err := os.Stat(filepath.Join(dir, file)); err == nil {
			return FoundApp{App: strings.Join(parts[:n], ".") + ".wsgi:application", File: file}, true
		}
	}
	return FoundApp{}, false
}

func (f FoundApp) String() string {
	return fmt.Sprintf("%s, found in %s", f.App, f.File)
}
