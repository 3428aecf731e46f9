package cli

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"girin/internal/bench"
	"girin/internal/program"
)

// benchFormat is a form in which results can be written.
type benchFormat struct {
	name, usage string
	write       func(*bench.Result, io.Writer) error
}

var benchFormats = [...]benchFormat{
	{"json", "write the result as JSON", (*bench.Result).WriteJSON},
	{"csv", "write a line per request", (*bench.Result).WriteCSV},
	{"hdr", "write the percentile file of HdrHistogram's plotters", (*bench.Result).WriteHDR},
	{"html", "write a page with charts", (*bench.Result).WriteHTML},
	{"markdown", "write tables in Markdown", (*bench.Result).WriteMarkdown},
	{"junit", "write a JUnit report of --slo and --against", (*bench.Result).WriteJUnit},
}

func countOf(list []string, want string) (n int) {
	for _, s := range list {
		if s == want {
			n++
		}
	}
	return n
}

// write writes the report, or what takes its place on standard output, and the files.
func (f *benchFlags) write(env *program.Env, res *bench.Result) error {
	text := true
	var failed []error // what one file has no room for, the others and the report still say
	for i, format := range benchFormats {
		switch path := f.outputs[i]; path {
		case "":
		case "-":
			text = false
			failed = append(failed, format.write(res, env.Stdout))
		default:
			failed = append(failed, writeFile(path, func(w io.Writer) error { return format.write(res, w) }))
		}
	}
	if text {
		failed = append(failed, res.WriteText(env.Stdout))
	}
	return errors.Join(failed...)
}

// checkOutputs refuses files that cannot be made, before a run that is for them.
func (f *benchFlags) checkOutputs() error {
	for i, format := range benchFormats {
		if path := f.outputs[i]; path != "" && path != "-" {
			if info, err := os.Stat(filepath.Dir(path)); err != nil || !info.IsDir() {
				return fmt.Errorf("--%s %s: there is no folder %s", format.name, path, filepath.Dir(path))
			}
			if err := canWrite(path); err != nil {
				return fmt.Errorf("--%s: %w", format.name, err)
			}
		}
	}
	return nil
}

// canWrite says why a file cannot be written. It leaves everything as it is.
func canWrite(path string) error {
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return writable(filepath.Dir(path))
	case err != nil:
		return err
	case info.IsDir():
		return fmt.Errorf("%s is a folder", path)
	case !info.Mode().IsRegular(): // opening a pipe would wait for its reader
		return nil
	}
	file, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	return file.Close()
}

// writable refuses a folder that could not be made, or written to, before the minutes that are for it.
func writable(dir string) error {
	for {
		info, err := os.Stat(dir)
		switch {
		case errors.Is(err, fs.ErrNotExist) && filepath.Dir(dir) != dir:
			dir = filepath.Dir(dir)
			continue
		case err != nil:
			return err
		case !info.IsDir():
			return fmt.Errorf("%s is no folder", dir)
		}
		probe, err := os.CreateTemp(dir, ".girin-")
		if err != nil {
			place, _ := filepath.Abs(dir)
			return fmt.Errorf("nothing can be written in %s: %w", place, errors.Unwrap(err))
		}
		probe.Close()
		return os.Remove(probe.Name())
	}
}

func writeFile(path string, write func(io.Writer) error) error {
	file, err := os.Create(path)
	if err != nil {
		return err
	}
	if err := write(file); err != nil {
		file.Close()
		return fmt.Errorf("%s: %w", path, err)
	}
	if err := file.Close(); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return nil
}
