package chart

import "slices"

// A Row is one setting in a chart of rows.
type Row struct {
	Label string
	Bar   Bar
	Ideal float64
	// Points are drawn in place of the bar, joined by a line: percentiles.
	Points []Point
	Text   string // beside the bar
	Alarm  bool   // Text is bad news
}

// A Point is one marked value of a row.
type Point struct {
	Value float64
	Name  string
}

// Rows is a chart of one row per setting, for settings that have no common order of sizes.
type Rows struct {
	Title, Hint, Unit string
	Log               bool
	Rows              []Row
}

// Measures of the chart of rows.
const (
	rowsWidth  = 760.0
	rowHeight  = 22.0
	rowsTop    = 66.0
	rowsRight  = 110.0 // room for Row.Text
	labelSize  = 12.0
	maxLabel   = 250.0
	rowsBottom = 12.0
	idealTick  = 5.0
	leastBar   = 2.0 // so that a bar of nearly nothing is seen
)

// Draw makes the scene.
func (r *Rows) Draw() *Scene {
	s := &Scene{Width: rowsWidth, Height: rowsTop + rowHeight*float64(len(r.Rows)) + rowsBottom, Title: r.Title}
	drawTitle(s, r.Title, r.Hint)
	left := r.labelWidth()
	x := r.scale(left, rowsWidth-rowsRight)
	for _, v := range x.ticks() {
		s.line(x.at(v), rowsTop-4, x.at(v), s.Height-rowsBottom, Grid, 1)
		s.label(x.at(v), rowsTop-9, Format(v), textStyle{size: 11, anchor: "middle", role: Muted})
	}
	s.label(rowsWidth-rowsRight+14, rowsTop-26, r.Unit, textStyle{size: 11, anchor: "start", role: Muted})
	for i := range r.Rows {
		drawRow(s, &r.Rows[i], left, rowsTop+rowHeight*float64(i), x)
	}
	return s
}

func (r *Rows) labelWidth() float64 {
	widest := 60.0
	for _, row := range r.Rows {
		widest = max(widest, textWidth(row.Label, labelSize))
	}
	return min(widest, maxLabel) + 20
}

// values are all that the axis must hold.
func (r *Rows) values() []float64 {
	var all []float64
	for _, row := range r.Rows {
		all = append(all, row.Bar.Value, row.Bar.Hi, row.Ideal)
		all = append(all, row.Bar.Runs...)
		for _, p := range row.Points {
			all = append(all, p.Value)
		}
	}
	return slices.DeleteFunc(all, func(v float64) bool { return v <= 0 })
}

func (r *Rows) scale(from, to float64) scale {
	values := r.values()
	if len(values) == 0 {
		return linear(1, from, to)
	}
	if r.Log {
		return logarithmic(slices.Min(values), slices.Max(values), from, to)
	}
	return linear(slices.Max(values), from, to)
}

func drawRow(s *Scene, row *Row, left, top float64, x scale) {
	m := &mark{subject: row.Bar.Subject, cell: row.Bar.Cell, tip: row.Bar.Tip}
	base := top + rowHeight/2 + 4
	s.add(shape{kind: textShape, x: left - 8, y: base, text: row.Label, size: labelSize, anchor: "end", fill: Ink, mark: m})
	role := Muted
	if row.Alarm || row.Bar.Missing {
		role = Alarm
	}
	s.add(shape{kind: textShape, x: rowsWidth - rowsRight + 14, y: base, text: row.Text, size: labelSize, anchor: "start", fill: role, bold: role == Alarm, mark: m})
	if row.Bar.Missing {
		return
	}
	if len(row.Points) > 0 {
		drawPoints(s, row, top+rowHeight/2, x, m)
	} else {
		drawHorizontal(s, &row.Bar, top+3, top+rowHeight-3, left, x, m)
	}
	if row.Ideal > 0 { // above and below the bar, so as not to hide a short one
		s.line(x.at(row.Ideal), top, x.at(row.Ideal), top+idealTick, Ideal, 2)
		s.line(x.at(row.Ideal), top+rowHeight-idealTick, x.at(row.Ideal), top+rowHeight, Ideal, 2)
	}
}

func drawHorizontal(s *Scene, b *Bar, top, bottom, left float64, x scale, m *mark) {
	s.bar(left, top, max(x.at(b.Value), left+leastBar), bottom, ClassRole(b.Class), b.Hatched, m)
	middle := (top + bottom) / 2
	if b.Hi > b.Lo {
		s.add(shape{kind: lineShape, x: x.at(b.Lo), y: middle, x2: x.at(b.Hi), y2: middle, stroke: Ink, width: 1.5, mark: m})
	}
	for i, r := range b.Runs {
		s.add(shape{kind: circleShape, x: x.at(r), y: middle + jitter(i, bottom-top), radius: 1.9, fill: Ink, faint: len(b.Runs) > 1, mark: m})
	}
}

// drawPoints draws percentiles on a line: the first and last are larger.
func drawPoints(s *Scene, row *Row, y float64, x scale, m *mark) {
	first, last := row.Points[0].Value, row.Points[len(row.Points)-1].Value
	role := ClassRole(row.Bar.Class)
	s.add(shape{kind: lineShape, x: x.at(first), y: y, x2: x.at(last), y2: y, stroke: role + "-edge", width: 2, mark: m})
	for i, p := range row.Points {
		radius := 3.2
		if i == 0 || i == len(row.Points)-1 {
			radius = 4.6
		}
		s.add(shape{kind: circleShape, x: x.at(p.Value), y: y, radius: radius, fill: role, stroke: role + "-edge", width: 1.2, mark: m})
	}
}
