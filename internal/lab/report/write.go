package report

import (
	"bytes"
	"math"
	"os"

	"girin/internal/lab/result"
)

// Write writes report.html and the charts into the folder and returns the summary, a line
// each.
func Write(f *result.Folder) ([]string, error) {
	all := panels(f)
	sentences := summary(f, all)
	html, err := page(f, all, sentences)
	if err != nil {
		return nil, err
	}
	if err := os.WriteFile(f.Path(result.ReportName), html, 0o666); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(f.Path(result.ChartsName), 0o777); err != nil {
		return nil, err
	}
	for _, p := range all {
		for _, d := range p.drawings() {
			if err := writeChart(f, p.fileName(d), d); err != nil {
				return nil, err
			}
		}
	}
	return sentences, nil
}

// writeChart writes a drawing as SVG and PNG.
func writeChart(f *result.Folder, name string, d drawing) error {
	base := f.Path(result.ChartsName, name)
	if err := os.WriteFile(base+".svg", []byte(d.Scene.SVGFile()), 0o666); err != nil {
		return err
	}
	var png bytes.Buffer
	if err := d.Scene.PNG(&png); err != nil {
		return err
	}
	return os.WriteFile(base+".png", png.Bytes(), 0o666)
}

func expm1(v float64) float64 { return math.Expm1(v) }
