package config

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"girin/internal/interpreter"
)

const (
	defaultConfigFile = "gunicorn.conf.py"
	modulePrefix      = "python:"
)

// File is a configuration file to run.
type File struct {
	Python   string // the interpreter
	Dir      string // where it runs
	Location string // absolute path, or python:MODULE; "": there is none
	Keys     []string
}

// Variables are what a file has left behind.
type Variables struct {
	Values json.RawMessage // of Keys, each as [sort, value]
	Others []string        // names of other plain values
}

// file is a configuration file that has been run.
type file struct {
	File
	name   string         // as it was given
	values map[string]any // raw values of settings, without those that are None
	others []string       // other names with plain values
}

// FileError is a configuration file that could not be run.
type FileError struct {
	Name string // as it was given
	Err  error
}

func (e *FileError) Error() string {
	return fmt.Sprintf("the configuration file %s: %v", e.Name, e.Err)
}

func (e *FileError) Unwrap() error { return e.Err }

// readFile runs the configuration file that the command lines name, or the default one.
// It returns nil if there is none.
func (l *loader) readFile(ctx context.Context, args []*layer) (*file, error) {
	early := map[string]string{} // what is needed before the file can say anything
	for _, layer := range args {
		for _, key := range []string{"config", "python", "chdir"} {
			if v, ok := layer.values[key].(string); ok {
				early[key] = v
			}
		}
	}
	name := strings.TrimPrefix(early["config"], "file:")
	if name == "" {
		if _, err := os.Stat(filepath.Join(l.dir, defaultConfigFile)); err != nil {
			return nil, nil
		}
		name = defaultConfigFile
	}
	f := &file{name: name}
	if err := l.runFile(ctx, f, early); err != nil {
		return nil, &FileError{Name: name, Err: err}
	}
	return f, nil
}

func (l *loader) runFile(ctx context.Context, f *file, early map[string]string) error {
	f.File = File{Dir: l.dir, Location: f.name, Keys: l.fileKeys()}
	if !strings.HasPrefix(f.name, modulePrefix) {
		f.Location = absolute(l.dir, f.name)
		if info, err := os.Stat(f.Location); err != nil || info.IsDir() {
			return errors.New("there is no such file")
		}
	}
	var err error
	choice := interpreter.Choice{Wanted: early["python"], Dir: absolute(l.dir, early["chdir"]), Getenv: l.getenv}
	if f.Python, err = choice.Find(); err != nil {
		return err
	}
	variables, err := l.run(ctx, f.File)
	if err != nil {
		return fmt.Errorf("it failed in %s: %w", f.Python, err)
	}
	f.others = variables.Others
	f.values, err = variables.values()
	return err
}

// fileKeys lists the settings that a file may have.
func (l *loader) fileKeys() (keys []string) {
	for _, o := range l.options {
		if o.Section != "Help" && o.Key != "config" {
			keys = append(keys, o.Key)
		}
	}
	return keys
}

// values are the raw values of settings: those that are None are left out.
func (v Variables) values() (map[string]any, error) {
	var got map[string][2]any
	d := json.NewDecoder(bytes.NewReader(v.Values))
	d.UseNumber()
	if err := d.Decode(&got); err != nil {
		return nil, fmt.Errorf("its values did not arrive: %w", err)
	}
	values := make(map[string]any, len(got))
	for name, v := range got {
		sort, _ := v[0].(string)
		text, _ := v[1].(string)
		switch {
		case sort != "value":
			values[name] = object{sort: sort, name: text}
		case v[1] != nil:
			values[name] = v[1]
		}
	}
	return values, nil
}

// fromFile lists the settings that take effect as the file's own objects.
func (l *loader) fromFile(resolved map[string]setting) (keys []string) {
	for _, o := range l.options {
		if (o.Kind == Opaque || o.Kind == Class) && l.file.values[o.Key] != nil && resolved[o.Key].source == l.file.name {
			keys = append(keys, o.Key)
		}
	}
	return keys
}
