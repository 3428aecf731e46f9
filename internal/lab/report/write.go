package report

import (
	"bytes"
	"os"

	"girin/internal/lab/result"
)

// Write writes report.html and the charts into the folder and returns the summary, a line
// each.
func Write(f *result.Folder) ([]string, error) {
	all := panels(f)
	findings := summary(f, all)
	html, err := page(f, all, findings)
	if err != nil {
		return nil, err
	}
	if err := result.Replace(f.Path(result.ReportName), html); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(f.Path(result.ChartsName), 0o777); err != nil {
		return nil, err
	}
	names := chartNames(all)
	for i, p := range all {
		for _, d := range p.drawings() {
			if err := writeChart(f, names[i]+"-"+d.Name, d); err != nil {
				return nil, err
			}
		}
	}
	head := headlineOf(f, all)
	lines := []string{head.Sentence, ""}
	for _, finding := range findings {
		lines = append(lines, finding.String())
	}
	if head.Picture != nil {
		return lines, writeChart(f, "summary", drawing{Scene: head.Picture})
	}
	return lines, nil
}

// writeChart writes a drawing as SVG and PNG.
func writeChart(f *result.Folder, name string, d drawing) error {
	base := f.Path(result.ChartsName, name)
	if err := result.Replace(base+".svg", []byte(d.Scene.SVGFile())); err != nil {
		return err
	}
	var png bytes.Buffer
	if err := d.Scene.PNG(&png); err != nil {
		return err
	}
	return result.Replace(base+".png", png.Bytes())
}
