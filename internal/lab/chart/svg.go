package chart

import (
	"fmt"
	"html"
	"strconv"
	"strings"
)

// fontFamily is the font of all text; letters.go says what PNG has instead.
const fontFamily = "system-ui,-apple-system,'Segoe UI',Roboto,'Helvetica Neue',Arial,sans-serif"

// SVG is the scene as an element for a page that has the theme's CSS.
func (s *Scene) SVG() string { return s.svg("") }

// SVGFile is the scene as a file of its own, with its colours.
func (s *Scene) SVGFile() string {
	background := `<rect width="100%" height="100%" style="fill:var(--paper)"/>`
	return `<?xml version="1.0" encoding="UTF-8"?>` + "\n" + s.svg("<style>"+html.EscapeString(CSS())+"</style>"+background)
}

func (s *Scene) svg(first string) string {
	var b strings.Builder
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %s %s" width="%s" height="%s" role="img" font-family="%s">`,
		num(s.Width), num(s.Height), num(s.Width), num(s.Height), fontFamily)
	fmt.Fprintf(&b, "<title>%s</title>%s\n", html.EscapeString(s.Title), first)
	var open *mark
	for i := range s.shapes {
		if m := s.shapes[i].mark; m != open {
			closeMark(&b, open)
			openMark(&b, m)
			open = m
		}
		s.shapes[i].svg(&b)
	}
	closeMark(&b, open)
	b.WriteString("</svg>\n")
	return b.String()
}

func openMark(b *strings.Builder, m *mark) {
	if m == nil {
		return
	}
	fmt.Fprintf(b, `<g data-subject="%s" data-cell="%s" data-tip="%s">`,
		html.EscapeString(m.subject), html.EscapeString(m.cell), html.EscapeString(m.tip))
}

func closeMark(b *strings.Builder, m *mark) {
	if m != nil {
		b.WriteString("</g>\n")
	}
}

func (sh *shape) svg(b *strings.Builder) {
	switch sh.kind {
	case rectShape:
		fmt.Fprintf(b, `<rect x="%s" y="%s" width="%s" height="%s" %s/>`, num(sh.x), num(sh.y), num(sh.x2-sh.x), num(sh.y2-sh.y), sh.style())
	case lineShape:
		fmt.Fprintf(b, `<line x1="%s" y1="%s" x2="%s" y2="%s" %s/>`, num(sh.x), num(sh.y), num(sh.x2), num(sh.y2), sh.style())
	case linesShape:
		b.WriteString(`<path d="`)
		for _, l := range sh.segments {
			fmt.Fprintf(b, "M%s %sL%s %s", num(l[0]), num(l[1]), num(l[2]), num(l[3]))
		}
		fmt.Fprintf(b, `" %s/>`, sh.style())
	case circleShape:
		fmt.Fprintf(b, `<circle cx="%s" cy="%s" r="%s" %s/>`, num(sh.x), num(sh.y), num(sh.radius), sh.style())
	case textShape:
		fmt.Fprintf(b, `<text x="%s" y="%s" font-size="%s" text-anchor="%s" %s>%s</text>`,
			num(sh.x), num(sh.y), num(sh.size), sh.anchor, sh.textStyle(), html.EscapeString(sh.text))
	}
	b.WriteByte('\n')
}

func (sh *shape) style() string {
	var css []string
	if sh.fill != "" {
		css = append(css, "fill:var(--"+string(sh.fill)+")")
	} else {
		css = append(css, "fill:none")
	}
	if sh.stroke != "" {
		css = append(css, "stroke:var(--"+string(sh.stroke)+")", "stroke-width:"+num(sh.width))
	}
	if sh.dashed {
		css = append(css, "stroke-dasharray:5 3")
	}
	if sh.faint {
		css = append(css, "opacity:.55")
	}
	return `style="` + strings.Join(css, ";") + `"`
}

func (sh *shape) textStyle() string {
	attributes := `style="fill:var(--` + string(sh.fill) + `)"`
	if sh.bold {
		attributes += ` font-weight="600"`
	}
	if sh.turn != 0 {
		attributes += fmt.Sprintf(` transform="rotate(%s %s %s)"`, num(sh.turn), num(sh.x), num(sh.y))
	}
	return attributes
}

// num keeps a tenth of a pixel.
func num(v float64) string {
	return strconv.FormatFloat(float64(int64(v*10+sign(v)*0.5))/10, 'f', -1, 64)
}

func sign(v float64) float64 {
	if v < 0 {
		return -1
	}
	return 1
}
