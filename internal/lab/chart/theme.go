package chart

import (
	"fmt"
	"image/color"
	"maps"
	"slices"
	"strings"
)

// tone is a role's colour in the light and in the dark theme, as #rrggbb.
type tone struct{ light, dark string }

// theme is the colours of all roles. Classes have the colours of the article that the lab
// repeats: pink, sky blue, light green.
func theme() map[Role]tone {
	return map[Role]tone{
		Ink: {"#1f2328", "#e6edf3"}, Muted: {"#59636e", "#9198a1"}, Grid: {"#e3e6ea", "#2f353d"},
		Paper: {"#ffffff", "#15191f"}, Ideal: {"#1f2328", "#e6edf3"}, Alarm: {"#c62828", "#ff7b72"},
		"sync": {"#ffc0cb", "#ffc0cb"}, "sync-edge": {"#d6657c", "#b85a70"},
		"gevent": {"#87ceeb", "#87ceeb"}, "gevent-edge": {"#3d93b8", "#3f86a5"},
		"gaiohttp": {"#90ee90", "#90ee90"}, "gaiohttp-edge": {"#45a845", "#4a9a4a"},
		"gthread": {"#d8b4f0", "#d8b4f0"}, "gthread-edge": {"#9561bd", "#8f62b0"},
		"auto": {"#ffd54a", "#ffd54a"}, "auto-edge": {"#b8860b", "#b08a20"},
		"granian": {"#f4b183", "#f4b183"}, "granian-edge": {"#c4713a", "#b56a38"},
		"uwsgi": {"#c5d86d", "#c5d86d"}, "uwsgi-edge": {"#7f9423", "#84962f"},
		"other": {"#c8ccd2", "#a3aab3"}, "other-edge": {"#7b828c", "#727a84"},
	}
}

// ClassRole is the role of a worker class, or of a server that has none; those without a
// colour of their own share one.
func ClassRole(class string) Role {
	if _, ok := theme()[Role(class+"-edge")]; ok {
		return Role(class)
	}
	return "other"
}

// CSS returns the theme as custom properties: :root holds the light one; the dark one is
// for browsers that prefer it and for pages with data-theme="dark".
func CSS() string {
	var light, dark strings.Builder
	colors := theme()
	for _, role := range slices.Sorted(maps.Keys(colors)) {
		fmt.Fprintf(&light, "--%s:%s;", role, colors[role].light)
		fmt.Fprintf(&dark, "--%s:%s;", role, colors[role].dark)
	}
	return ":root{" + light.String() + "}\n" +
		"@media screen and (prefers-color-scheme:dark){:root:not([data-theme=light]){" + dark.String() + "}}\n" +
		"@media screen{:root[data-theme=dark]{" + dark.String() + "}}\n"
}

// lightColor is the role's colour in the light theme.
func lightColor(role Role) color.RGBA {
	c := color.RGBA{A: 255}
	fmt.Sscanf(theme()[role].light, "#%02x%02x%02x", &c.R, &c.G, &c.B)
	return c
}
