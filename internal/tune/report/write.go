// Package report writes what tune has found: a page with curves, the configuration file, and all of it
// as JSON. It measures and judges nothing.
package report

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"

	"girin/internal/lab/result"
	"girin/internal/tune"
)

// Write writes the files of a result into dir, which it makes, and returns the paths of those that are there. Each is there whole or
// not at all; one for which there is no room costs no other.
func Write(dir string, r *tune.Result) (files []string, err error) {
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return nil, err
	}
	data, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return nil, err
	}
	page, err := Page(r)
	if err != nil {
		return nil, err
	}
	contents := []file{{"report.html", page}, {"result.json", append(data, '\n')}}
	if r.Answer != nil {
		contents = append(contents, file{"gunicorn.conf.py", []byte(r.Answer.File(r))})
	}
	var failed []error
	for _, c := range contents {
		path := filepath.Join(dir, c.name)
		if err := result.Replace(path, c.text); err != nil {
			failed = append(failed, err)
			continue
		}
		files = append(files, path)
	}
	return files, errors.Join(failed...)
}

type file struct {
	name string
	text []byte
}
