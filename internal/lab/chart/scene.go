// Package chart draws the lab's charts. A chart becomes a Scene, a list of shapes in roles
// ("sync", "grid", "ink") rather than colours, and a Scene is written as SVG, which takes
// its colours from the page's theme, or as PNG in the light one. The package knows numbers
// and labels; what they mean is package report's.
package chart

// A Role is what a shape stands for. The theme gives it a colour.
type Role string

// Roles beside those of worker classes.
const (
	Ink   Role = "ink"   // text, medians, intervals
	Muted Role = "muted" // labels of less weight
	Grid  Role = "grid"
	Paper Role = "paper" // background
	Ideal Role = "ideal"
	Alarm Role = "alarm" // starvation, invalid
)

// A Scene is a drawing of so many pixels.
type Scene struct {
	Width, Height float64
	Title         string // for screen readers
	shapes        []shape
}

// A mark is what belongs to one thing that can be pointed at.
type mark struct {
	subject string // for filtering
	cell    string // key of the cell that a click opens
	tip     string // text shown while pointing
}

// A shape is one of the kinds below. Only its kind's fields are set.
type shape struct {
	kind          shapeKind
	x, y, x2, y2  float64 // line: ends; rect: corner and opposite corner; circle, text: x, y
	radius        float64
	fill, stroke  Role
	width         float64 // of the stroke
	dashed, faint bool
	text          string
	size          float64
	anchor        string // start, middle, end
	bold          bool
	turn          float64      // degrees clockwise around x, y
	segments      [][4]float64 // of lines: ends of each
	mark          *mark
}

type shapeKind int

const (
	rectShape shapeKind = iota
	lineShape
	linesShape
	circleShape
	textShape
)

func (s *Scene) add(sh shape) { s.shapes = append(s.shapes, sh) }

func (s *Scene) line(x, y, x2, y2 float64, role Role, width float64) {
	s.add(shape{kind: lineShape, x: x, y: y, x2: x2, y2: y2, stroke: role, width: width})
}

func (s *Scene) dashedLine(x, y, x2, y2 float64, role Role, width float64) {
	s.add(shape{kind: lineShape, x: x, y: y, x2: x2, y2: y2, stroke: role, width: width, dashed: true})
}

func (s *Scene) label(x, y float64, text string, t textStyle) {
	s.add(shape{kind: textShape, x: x, y: y, text: text, size: t.size, anchor: t.anchor, fill: t.role, bold: t.bold, turn: t.turn})
}

// textStyle says how a label looks.
type textStyle struct {
	size   float64
	anchor string
	role   Role
	bold   bool
	turn   float64
}

// bar draws a bar from corner to corner: filled, or hatched with an outline.
func (s *Scene) bar(x, y, x2, y2 float64, role Role, hatched bool, m *mark) {
	if !hatched {
		s.add(shape{kind: rectShape, x: x, y: y, x2: x2, y2: y2, fill: role, stroke: role + "-edge", width: 1, mark: m})
		return
	}
	s.add(shape{kind: rectShape, x: x, y: y, x2: x2, y2: y2, fill: Paper, stroke: role + "-edge", width: 1, mark: m})
	s.hatch(x, y, x2, y2, role, m)
}

// hatchStep is the distance between hatching lines, along an axis.
const hatchStep = 6

// hatch fills a rectangle with lines at 45 degrees, cut at its edges: the same in every
// output, which patterns are not.
func (s *Scene) hatch(x, y, x2, y2 float64, role Role, m *mark) {
	lines := shape{kind: linesShape, stroke: role + "-edge", width: 1.4, mark: m}
	for c := x + y + hatchStep; c < x2+y2; c += hatchStep { // points with px + py = c
		ax := min(x2, c-y)
		bx := max(x, c-y2)
		if ax > bx {
			lines.segments = append(lines.segments, [4]float64{ax, c - ax, bx, c - bx})
		}
	}
	if len(lines.segments) > 0 {
		s.add(lines)
	}
}
