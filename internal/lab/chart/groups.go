package chart

// A Bar is one setting's result. Runs are drawn as dots, Lo and Hi as an interval if they
// differ.
type Bar struct {
	Value   float64
	Lo, Hi  float64
	Runs    []float64
	Class   string
	Subject string
	Hatched bool   // how the second subject is told from the first
	Cell    string // what a click opens
	Tip     string
	Ideal   float64 // 0 if none; drawn in groups only
	Missing bool    // nothing valid was measured
}

// A Group is the bars of one size, side by side.
type Group struct {
	Label string
	Mark  bool // the documented recommendation
	Bars  []Bar
}

// Groups is a chart of bars in groups: the form of the article's charts.
type Groups struct {
	Title  string
	Unit   string
	Hint   string // "higher is better"
	Groups []Group
	// Ceiling is a second ideal, which does not depend on the group; 0 if none.
	Ceiling      float64
	CeilingLabel string
	IdealLabel   string
	Legend       []Bar // Class, Hatched and Tip, as the text
}

// Measures of the grouped chart.
const (
	groupsWidth  = 1040.0
	groupsHeight = 400.0
	plotLeft     = 62.0
	plotTop      = 78.0
	plotBottom   = 52.0
)

// Draw makes the scene.
func (g *Groups) Draw() *Scene {
	s := &Scene{Width: groupsWidth, Height: groupsHeight, Title: g.Title}
	bottom := groupsHeight - plotBottom
	y := linear(g.largest(), bottom, plotTop)
	drawTitle(s, g.Title, g.Hint)
	g.drawLegend(s)
	for _, v := range y.ticks() {
		s.line(plotLeft, y.at(v), groupsWidth-8, y.at(v), Grid, 1)
		s.label(plotLeft-7, y.at(v)+4, Format(v), textStyle{size: 11.5, anchor: "end", role: Muted})
	}
	s.label(14, (plotTop+bottom)/2, g.Unit, textStyle{size: 12, anchor: "middle", role: Muted, turn: -90})
	g.drawGroups(s, y, bottom)
	if g.Ceiling > 0 {
		s.dashedLine(plotLeft, y.at(g.Ceiling), groupsWidth-8, y.at(g.Ceiling), Muted, 1)
		s.label(groupsWidth-10, y.at(g.Ceiling)-4, g.CeilingLabel, textStyle{size: 11, anchor: "end", role: Muted})
	}
	return s
}

func drawTitle(s *Scene, title, hint string) {
	s.label(8, 20, title, textStyle{size: 16, anchor: "start", role: Ink, bold: true})
	s.label(8, 38, hint, textStyle{size: 12, anchor: "start", role: Muted})
}

func (g *Groups) largest() float64 {
	top := g.Ceiling
	for _, group := range g.Groups {
		for _, b := range group.Bars {
			top = max(top, b.Value, b.Hi, b.Ideal)
			for _, r := range b.Runs {
				top = max(top, r)
			}
		}
	}
	return top
}

func (g *Groups) drawLegend(s *Scene) {
	x := plotLeft
	for i := range g.Legend {
		l := &g.Legend[i]
		s.bar(x, 50, x+16, 62, ClassRole(l.Class), l.Hatched, &mark{subject: l.Subject})
		s.label(x+21, 61, l.Tip, textStyle{size: 12, anchor: "start", role: Ink})
		x += 34 + textWidth(l.Tip, 12)
	}
	if g.IdealLabel != "" {
		right := groupsWidth - 10.0
		s.label(right-28, 38, g.IdealLabel, textStyle{size: 12, anchor: "end", role: Ink})
		s.line(right-22, 34, right, 34, Ideal, 1.6)
	}
}

// textWidth estimates the width of text: wide fonts have 0.6 em per character on average.
func textWidth(text string, size float64) float64 { return 0.6 * size * float64(len([]rune(text))) }

// drawGroups gives each group room in proportion to its bars.
func (g *Groups) drawGroups(s *Scene, y scale, bottom float64) {
	const gap = 1.2 // between groups, in bars
	units := 0.0
	for _, group := range g.Groups {
		units += float64(len(group.Bars)) + gap
	}
	step := min((groupsWidth-8-plotLeft)/max(units, 1), 46)
	x := plotLeft
	for i := range g.Groups {
		group := &g.Groups[i]
		from := x + gap/2*step
		to := from + float64(len(group.Bars))*step
		for j := range group.Bars {
			left := from + float64(j)*step
			drawVertical(s, &group.Bars[j], left+step*0.06, left+step*0.94, y, bottom)
		}
		g.drawIdeals(s, group, from, step, y)
		drawGroupLabel(s, group, (from+to)/2, bottom)
		x = to + gap/2*step
	}
	s.line(plotLeft, bottom, groupsWidth-8, bottom, Muted, 1)
}

// drawIdeals draws a group's ideals across its bars, one mark for neighbours that have the same, with its value. What all
// clients at once would make is the ceiling, and needs no marks.
func (g *Groups) drawIdeals(s *Scene, group *Group, from, step float64, y scale) {
	for i := 0; i < len(group.Bars); {
		ideal, first := group.Bars[i].Ideal, i
		for i < len(group.Bars) && group.Bars[i].Ideal == ideal {
			i++
		}
		if ideal <= 0 || ideal == g.Ceiling {
			continue
		}
		left, right := from+float64(first)*step-2, from+float64(i)*step+2
		s.line(left, y.at(ideal), right, y.at(ideal), Paper, 4) // so that bars are seen on both sides
		s.line(left, y.at(ideal), right, y.at(ideal), Ideal, 1.6)
		s.plated((left+right)/2, y.at(ideal)-4, Format(ideal), 10.5)
	}
}

// plated writes a text in the middle of x on a plate of paper, as the dark theme's light letters need it on a bar. Dots are
// seen through it.
func (s *Scene) plated(x, y float64, text string, size float64) {
	half := textWidth(text, size)/2 + 1
	s.add(shape{kind: rectShape, x: x - half, y: y - 0.8*size, x2: x + half, y2: y + 1.5, fill: Paper, faint: true})
	s.label(x, y, text, textStyle{size: size, anchor: "middle", role: Ink})
}

func drawGroupLabel(s *Scene, group *Group, x, bottom float64) {
	s.label(x, bottom+17, group.Label, textStyle{size: 12, anchor: "middle", role: Ink, bold: group.Mark})
	if group.Mark {
		s.label(x, bottom+33, "documented", textStyle{size: 11, anchor: "middle", role: Muted})
	}
}

func drawVertical(s *Scene, b *Bar, left, right float64, y scale, bottom float64) {
	m := &mark{subject: b.Subject, cell: b.Cell, tip: b.Tip}
	middle := (left + right) / 2
	if b.Missing {
		s.add(shape{kind: textShape, x: middle, y: bottom - 4, text: "×", size: 12, anchor: "middle", fill: Alarm, mark: m})
		return
	}
	s.bar(left, min(y.at(b.Value), bottom-leastBar), right, bottom, ClassRole(b.Class), b.Hatched, m)
	if b.Hi > b.Lo {
		s.add(shape{kind: lineShape, x: middle, y: y.at(b.Lo), x2: middle, y2: y.at(b.Hi), stroke: Ink, width: 1.5, mark: m})
	}
	for i, r := range b.Runs {
		s.add(shape{kind: circleShape, x: middle + jitter(i, right-left), y: y.at(r), radius: 1.7, fill: Ink, faint: len(b.Runs) > 1, mark: m})
	}
}

// jitter spreads dots that would lie on each other.
func jitter(i int, width float64) float64 {
	return (float64(i%3) - 1) * min(width/4, 4)
}
