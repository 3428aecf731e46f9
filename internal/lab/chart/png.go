package chart

import (
	"io"

	"github.com/fogleman/gg"
	"golang.org/x/image/font"
	"golang.org/x/image/font/gofont/gobold"
	"golang.org/x/image/font/gofont/goregular"
	"golang.org/x/image/font/opentype"
)

// pngScale is pixels per unit of the scene: sharp on dense screens and in print.
const pngScale = 2

// PNG writes the scene in the light theme.
func (s *Scene) PNG(w io.Writer) error {
	fonts, err := loadFonts()
	if err != nil {
		return err
	}
	defer fonts.close()
	dc := gg.NewContext(int(s.Width*pngScale), int(s.Height*pngScale))
	dc.Scale(pngScale, pngScale)
	dc.SetColor(lightColor(Paper))
	dc.Clear()
	for i := range s.shapes {
		if err := s.shapes[i].paint(dc, fonts); err != nil {
			return err
		}
	}
	return dc.EncodePNG(w)
}

// fonts holds the fonts and the faces made of them, which a drawing asks for again and again.
type fonts struct {
	regular, bold *opentype.Font
	folders       []string       // of the system's fonts
	system        *opentype.Font // nil until some text lacks letters, or if there is none that has them
	looked        bool           // for it
	faces         map[faceKey]font.Face
}

type faceKey struct {
	size float64
	font *opentype.Font
}

func loadFonts() (*fonts, error) {
	f := &fonts{faces: map[faceKey]font.Face{}, folders: fontFolders()}
	var err error
	if f.regular, err = opentype.Parse(goregular.TTF); err != nil {
		return f, err
	}
	f.bold, err = opentype.Parse(gobold.TTF)
	return f, err
}

func (f *fonts) close() {
	for _, face := range f.faces {
		face.Close()
	}
}

// of finds the font for a text, and how the text is written in it.
func (f *fonts) of(text string, bold bool) (*opentype.Font, string) {
	own := f.regular
	if bold {
		own = f.bold
	}
	lacking := lacks(own, text)
	if lacking == "" {
		return own, text
	}
	if !f.looked {
		f.looked, f.system = true, findFont(f.folders, lacking)
	}
	if f.system != nil && lacks(f.system, text) == "" {
		return f.system, text
	}
	return own, inLatin(text, lacking)
}

// face is a font at a size in pixels of the output: text is not scaled with the context.
func (f *fonts) face(size float64, which *opentype.Font) (font.Face, error) {
	key := faceKey{size, which}
	if face, ok := f.faces[key]; ok {
		return face, nil
	}
	face, err := opentype.NewFace(which, &opentype.FaceOptions{Size: size * pngScale, DPI: 72, Hinting: font.HintingFull})
	if err != nil {
		return nil, err
	}
	f.faces[key] = face
	return face, nil
}

func (sh *shape) paint(dc *gg.Context, f *fonts) error {
	switch sh.kind {
	case rectShape:
		dc.DrawRectangle(sh.x, sh.y, sh.x2-sh.x, sh.y2-sh.y)
	case circleShape:
		dc.DrawCircle(sh.x, sh.y, sh.radius)
	case lineShape:
		dc.DrawLine(sh.x, sh.y, sh.x2, sh.y2)
	case linesShape:
		for _, l := range sh.segments {
			dc.DrawLine(l[0], l[1], l[2], l[3])
		}
	case textShape:
		return sh.paintText(dc, f)
	}
	alpha := uint8(255)
	if sh.faint {
		alpha = 140
	}
	if sh.fill != "" {
		c := lightColor(sh.fill)
		dc.SetRGBA255(int(c.R), int(c.G), int(c.B), int(alpha))
		dc.FillPreserve()
	}
	if sh.stroke != "" {
		c := lightColor(sh.stroke)
		dc.SetRGBA255(int(c.R), int(c.G), int(c.B), int(alpha))
		dc.SetLineWidth(sh.width * pngScale)
		dc.SetDash()
		if sh.dashed {
			dc.SetDash(5*pngScale, 3*pngScale)
		}
		dc.StrokePreserve()
	}
	dc.ClearPath()
	return nil
}

func (sh *shape) paintText(dc *gg.Context, f *fonts) error {
	which, text := f.of(sh.text, sh.bold)
	face, err := f.face(sh.size, which)
	if err != nil {
		return err
	}
	align := map[string]float64{"middle": 0.5, "end": 1}[sh.anchor]
	dc.Push()
	defer dc.Pop()
	dc.Identity()
	dc.SetFontFace(face)
	dc.SetColor(lightColor(sh.fill))
	x, y := sh.x*pngScale, sh.y*pngScale
	dc.RotateAbout(gg.Radians(sh.turn), x, y)
	dc.DrawStringAnchored(text, x, y, align, 0)
	return nil
}
