package chart

import "slices"

// A Curve is one setting's line in a chart of curves: Line is drawn, Points are what it rests on. Its
// class is no more than a colour, so that several of one class can be told apart.
type Curve struct {
	Label, Class string
	Faint        bool // drawn thin and without its label
	Line         []XY
	Points       []XY
	Tip          string
}

// XY is a point; one that is Bad did not count as good.
type XY struct {
	X, Y float64
	Bad  bool
}

// Curves is a chart of lines over one another, with logarithmic axes.
type Curves struct {
	Title, Hint  string
	XUnit, YUnit string
	Limit        float64 // a line across; 0: none
	LimitLabel   string
	Top          float64 // what lies above is drawn at the top; 0: all fits
	Curves       []Curve
}

// Measures of the chart of curves.
const (
	curvesWidth  = 1040.0
	curvesHeight = 460.0
	curvesRight  = 170.0 // room for labels
)

// Draw makes the scene.
func (c *Curves) Draw() *Scene {
	s := &Scene{Width: curvesWidth, Height: curvesHeight, Title: c.Title}
	drawTitle(s, c.Title, c.Hint)
	bottom, right := curvesHeight-plotBottom, curvesWidth-curvesRight
	x := axisOf(c.values(func(p XY) float64 { return p.X }), plotLeft, right)
	y := axisOf(append(c.values(func(p XY) float64 { return p.Y }), c.Limit), bottom, plotTop)
	for _, v := range x.ticks() {
		s.line(x.at(v), plotTop, x.at(v), bottom, Grid, 1)
		s.label(x.at(v), bottom+16, Format(v), textStyle{size: 11.5, anchor: "middle", role: Muted})
	}
	for _, v := range y.ticks() {
		s.line(plotLeft, y.at(v), right, y.at(v), Grid, 1)
		s.label(plotLeft-7, y.at(v)+4, Format(v), textStyle{size: 11.5, anchor: "end", role: Muted})
	}
	s.label((plotLeft+right)/2, curvesHeight-12, c.XUnit, textStyle{size: 12, anchor: "middle", role: Muted})
	s.label(14, (plotTop+bottom)/2, c.YUnit, textStyle{size: 12, anchor: "middle", role: Muted, turn: -90})
	if c.Limit > 0 {
		s.dashedLine(plotLeft, y.at(c.Limit), right, y.at(c.Limit), Alarm, 1.6)
		s.label(right+5, y.at(c.Limit)+4, c.LimitLabel, textStyle{size: 11.5, anchor: "start", role: Alarm})
	}
	c.drawCurves(s, x, y)
	return s
}

// drawCurves draws the faint ones first.
func (c *Curves) drawCurves(s *Scene, x, y scale) {
	for _, faint := range []bool{true, false} {
		for i := range c.Curves {
			if curve := &c.Curves[i]; curve.Faint == faint {
				c.drawCurve(s, curve, x, y)
			}
		}
	}
	c.drawLabels(s, x, y)
}

func (c *Curves) drawCurve(s *Scene, curve *Curve, x, y scale) {
	m := &mark{subject: curve.Label, tip: curve.Tip}
	role := ClassRole(curve.Class)
	width, radius := 2.6, 3.4
	if curve.Faint {
		width, radius = 1, 1.8
	}
	for i := 1; i < len(curve.Line); i++ {
		a, b := curve.Line[i-1], curve.Line[i]
		s.add(shape{kind: lineShape, x: x.at(a.X), y: y.at(c.cut(a.Y)), x2: x.at(b.X), y2: y.at(c.cut(b.Y)), stroke: role + "-edge", width: width, faint: curve.Faint, mark: m})
	}
	for _, p := range curve.Points {
		fill := role
		if p.Bad {
			fill = Paper
		}
		s.add(shape{kind: circleShape, x: x.at(p.X), y: y.at(c.cut(p.Y)), radius: radius, fill: fill, stroke: role + "-edge", width: 1.2, faint: curve.Faint, mark: m})
	}
}

// drawLabels writes labels beside the ends of lines, one below the other where they would overlap.
func (c *Curves) drawLabels(s *Scene, x, y scale) {
	type end struct {
		at    float64
		curve *Curve
	}
	var ends []end
	for i := range c.Curves {
		curve := &c.Curves[i]
		if n := len(curve.Line); n > 0 && !curve.Faint {
			ends = append(ends, end{y.at(c.cut(curve.Line[n-1].Y)), curve})
		}
	}
	slices.SortStableFunc(ends, func(a, b end) int {
		switch xa, xb := a.curve.last(), b.curve.last(); {
		case a.at != b.at:
			return int(1000 * (a.at - b.at))
		case xa < xb:
			return 1
		case xa > xb:
			return -1
		}
		return 0
	})
	const height = 15.0
	last := plotTop - height
	limit := y.at(max(c.Limit, y.low))
	for _, e := range ends {
		at := max(e.at, last+height)
		if c.Limit > 0 && at > limit-height && at < limit+height {
			at = limit + height // the limit's own label stands there
		}
		last = at
		right := curvesWidth - curvesRight
		n := len(e.curve.Line)
		s.dashedLine(x.at(e.curve.Line[n-1].X), e.at, right+4, at, Grid, 1)
		role := ClassRole(e.curve.Class)
		s.add(shape{kind: circleShape, x: right + 10, y: at, radius: 4, fill: role, stroke: role + "-edge", width: 1.2})
		s.label(right+19, at+4, e.curve.Label, textStyle{size: 11.5, anchor: "start", role: Ink})
	}
}

func (c *Curve) last() float64 { return c.Line[len(c.Line)-1].X }

// cut keeps what lies above the chart at its edge.
func (c *Curves) cut(v float64) float64 {
	if c.Top > 0 {
		return min(v, c.Top)
	}
	return v
}

func (c *Curves) values(of func(XY) float64) (all []float64) {
	for _, curve := range c.Curves {
		for _, p := range slices.Concat(curve.Line, curve.Points) {
			p.Y = c.cut(p.Y)
			all = append(all, of(p))
		}
	}
	return all
}

// axisOf is a logarithmic scale that holds all values above 0.
func axisOf(values []float64, from, to float64) scale {
	values = slices.DeleteFunc(values, func(v float64) bool { return v <= 0 })
	if len(values) == 0 {
		return logarithmic(1, 10, from, to)
	}
	return logarithmic(slices.Min(values), slices.Max(values), from, to)
}
