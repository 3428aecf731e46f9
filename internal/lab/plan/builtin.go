package plan

import (
	"embed"
	"fmt"
	"path"
	"strings"
)

//go:embed plans/*.yaml
var builtIn embed.FS

// BuiltIn returns the text of a plan that comes with the lab: article, article-full,
// mixed, phases or aa.
func BuiltIn(name string) ([]byte, error) {
	text, err := builtIn.ReadFile(path.Join("plans", name+".yaml"))
	if err != nil {
		return nil, fmt.Errorf("no built-in plan %q (there are %s)", name, strings.Join(BuiltInNames(), ", "))
	}
	return text, nil
}

// BuiltInNames lists the plans that come with the lab.
func BuiltInNames() []string {
	entries, err := builtIn.ReadDir("plans")
	if err != nil {
		panic(err) // the embedded directory is there or this would not compile
	}
	var names []string
	for _, e := range entries {
		names = append(names, strings.TrimSuffix(e.Name(), ".yaml"))
	}
	return names
}
