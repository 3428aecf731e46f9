package config

import (
	"bytes"
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

const (
	defaultConfigFile = "gunicorn.conf.py"
	modulePrefix      = "python:"
	fileTimeout       = 30 * time.Second // a configuration file that takes longer is stuck
	fileOutputLimit   = 1 << 20          // of what a file prints
	fileValuesLimit   = 16 << 20
)

//go:embed read_config.py
var readConfig string

// file is a configuration file that has been run.
type file struct {
	name   string         // as it was given
	values map[string]any // raw values of settings, without those that are None
	others []string       // other names with plain values
	output string         // what it printed
}

// location is the name, made absolute if it is a path.
func (f *file) location(dir string) string {
	if strings.HasPrefix(f.name, modulePrefix) {
		return f.name
	}
	return absolute(dir, f.name)
}

// FileError is a configuration file that could not be run.
type FileError struct {
	Name   string // as it was given
	Output string // what it printed, with Python's traceback
	Err    error
}

func (e *FileError) Error() string {
	text := fmt.Sprintf("the configuration file %s: %v", e.Name, e.Err)
	if e.Output != "" {
		text += "\n" + strings.TrimRight(e.Output, "\n")
	}
	return text
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
		return nil, &FileError{Name: name, Output: f.output, Err: err}
	}
	return f, nil
}

func (l *loader) runFile(ctx context.Context, f *file, early map[string]string) error {
	if !strings.HasPrefix(f.name, modulePrefix) {
		if info, err := os.Stat(absolute(l.dir, f.name)); err != nil || info.IsDir() {
			return errors.New("there is no such file")
		}
	}
	python, err := findPython(early["python"], absolute(l.dir, early["chdir"]), l.getenv)
	if err != nil {
		return err
	}
	answer, err := l.runPython(ctx, python, f)
	if err != nil {
		return err
	}
	f.values, f.others, err = decodeFile(answer)
	return err
}

// runPython runs the file; its answer comes through a pipe of its own, beside what it prints.
func (l *loader) runPython(ctx context.Context, python string, f *file) ([]byte, error) {
	r, w, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer r.Close()
	answered := make(chan []byte, 1)
	go func() {
		answer, _ := io.ReadAll(io.LimitReader(r, fileValuesLimit+1)) // what is cut does not parse
		answered <- answer
	}()
	err = l.runScript(ctx, python, f, w)
	w.Close()
	// Something that the file started may keep the pipe open.
	_ = r.SetReadDeadline(time.Now().Add(outputDelay))
	answer := <-answered
	if err == nil && len(answer) > fileValuesLimit {
		err = fmt.Errorf("its values are larger than %d bytes", fileValuesLimit)
	}
	return answer, err
}

// runScript runs the file to its end, which comes at the latest with that of ctx.
func (l *loader) runScript(ctx context.Context, python string, f *file, answer *os.File) error {
	ctx, cancel := context.WithTimeoutCause(ctx, fileTimeout, fmt.Errorf("it ran for more than %v", fileTimeout))
	defer cancel()
	printed := &limitedBuffer{limit: fileOutputLimit}
	cmd := exec.CommandContext(ctx, python, "-c", readConfig, f.name, l.fileKeys())
	cmd.Dir, cmd.Env, cmd.Stdout, cmd.Stderr = l.dir, l.env, printed, printed
	cmd.ExtraFiles = []*os.File{answer}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = outputDelay
	err := l.run(cmd)
	f.output = printed.String()
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case err != nil && !errors.Is(err, exec.ErrWaitDelay):
		return fmt.Errorf("it failed in %s (%w)", python, err)
	}
	return nil
}

// outputDelay is how long a file's output is waited for when it has ended: something that it
// started may keep it open.
const outputDelay = time.Second

// fileKeys lists, for the script, the settings that a file may have.
func (l *loader) fileKeys() string {
	var keys []string
	for _, o := range l.options {
		if o.Section != "Help" && o.Key != "config" {
			keys = append(keys, o.Key)
		}
	}
	return strings.Join(keys, ",")
}

// decodeFile reads the script's answer: values by name as [sort, value], and other names.
func decodeFile(answer []byte) (map[string]any, []string, error) {
	var got struct {
		Values map[string][2]any `json:"values"`
		Others []string          `json:"others"`
	}
	d := json.NewDecoder(bytes.NewReader(answer))
	d.UseNumber()
	if err := d.Decode(&got); err != nil {
		return nil, nil, fmt.Errorf("its values did not arrive: %w", err)
	}
	values := make(map[string]any, len(got.Values))
	for name, v := range got.Values {
		sort, _ := v[0].(string)
		text, _ := v[1].(string)
		switch {
		case sort != "value":
			values[name] = object{sort: sort, name: text}
		case v[1] != nil:
			values[name] = v[1]
		}
	}
	return values, got.Others, nil
}

// limitedBuffer keeps the first limit bytes that are written to it.
type limitedBuffer struct {
	bytes.Buffer
	limit int
}

func (b *limitedBuffer) Write(p []byte) (int, error) {
	b.Buffer.Write(p[:min(len(p), b.limit-b.Len())])
	return len(p), nil
}
