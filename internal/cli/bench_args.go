package cli

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// joinOutputs writes "--json FILE" as "--json=FILE". The flags of formats need no value, so pflag would leave the file among
// the URLs.
func joinOutputs(args []string) []string {
	var out []string
	for i := 0; i < len(args); i++ {
		if args[i] == "--" {
			return append(out, args[i:]...)
		}
		isFormat := slices.ContainsFunc(benchFormats[:], func(f benchFormat) bool { return args[i] == "--"+f.name })
		if isFormat && i+1 < len(args) && isFileName(args[i+1]) {
			out = append(out, args[i]+"="+args[i+1])
			i++
			continue
		}
		out = append(out, args[i])
	}
	return out
}

var (
	notAFile     = regexp.MustCompile(`://|^localhost\b|^[^/]*:[0-9]+(/|$)|^[0-9]+=|^[A-Z]+ `)
	fileEnding   = regexp.MustCompile(`(?i)\.(json|csv|hdr|hgrm|html?|txt|log|md|xml)$`)
	relativePath = regexp.MustCompile(`^\.{0,2}/`)
)

// isFileName reports whether an argument after a format's flag names its file and not a URL, which may lack its scheme.
func isFileName(arg string) bool {
	switch {
	case arg == "-" || fileEnding.MatchString(arg) && !notAFile.MatchString(arg):
		return true
	case arg == "" || arg[0] == '-' || notAFile.MatchString(arg):
		return false
	case relativePath.MatchString(arg) || !strings.ContainsAny(arg, "./"):
		return true
	}
	stat, err := os.Stat(filepath.Dir(arg))
	return err == nil && stat.IsDir() && strings.Contains(arg, "/")
}
