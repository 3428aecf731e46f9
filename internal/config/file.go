package config

import (
	"bytes"
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

// readFile runs the configuration file that the command lines name, or the default one.
// It returns nil if there is none.
func (l *loader) readFile(args []*layer) (*file, error) {
	early := map[string]string{}
	where := &Error{Name: "config", Source: fromDefault}
	for _, layer := range args {
		for _, key := range []string{"config", "python", "chdir"} {
			if v, ok := layer.values[key].(string); ok {
				early[key] = v
			}
		}
		if _, ok := layer.values["config"]; ok {
			where = &Error{Name: "--config", Source: layer.source, Usage: false}
		}
	}
	location := early["config"]
	if location == "" {
		if _, err := os.Stat(filepath.Join(l.dir, defaultConfigFile)); err != nil {
			return nil, nil
		}
		location = defaultConfigFile
	}
	f, err := l.runFile(location, early)
	if err != nil {
		where.Err = err
		return nil, where
	}
	return f, nil
}

func (l *loader) runFile(location string, early map[string]string) (*file, error) {
	name := strings.TrimPrefix(location, "file:")
	if !strings.HasPrefix(location, "python:") {
		if info, err := os.Stat(absolute(l.dir, name)); err != nil || info.IsDir() {
			return nil, fmt.Errorf("%s does not exist", quote(name))
		}
	}
	python, err := findPython(early["python"], absolute(l.dir, early["chdir"]), l.getenv)
	if err != nil {
		return nil, fmt.Errorf("%s cannot be read: %w", quote(name), err)
	}
	answer, output, err := l.runPython(python, name)
	if err != nil {
		return nil, fmt.Errorf("%s cannot be read: %w", quote(name), withOutput(err, output))
	}
	f := &file{name: name, output: output}
	if f.values, f.others, err = decodeFile(answer); err != nil {
		return nil, fmt.Errorf("%s cannot be read: %w", quote(name), err)
	}
	return f, nil
}

func withOutput(err error, output string) error {
	if output == "" {
		return err
	}
	return fmt.Errorf("%w\n%s", err, strings.TrimRight(output, "\n"))
}

// runPython runs the file; its answer comes through a pipe of its own, beside what it prints.
func (l *loader) runPython(python, name string) (answer []byte, output string, err error) {
	r, w, err := os.Pipe()
	if err != nil {
		return nil, "", err
	}
	defer r.Close()
	printed := &limitedBuffer{limit: fileOutputLimit}
	cmd := exec.Command(python, "-c", readConfig, name, l.fileKeys())
	cmd.Dir, cmd.Env, cmd.Stdout, cmd.Stderr = l.dir, l.env, printed, printed
	cmd.ExtraFiles = []*os.File{w}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.WaitDelay = time.Second // something that the file started may keep its output open
	err = cmd.Start()
	w.Close()
	if err != nil {
		return nil, "", err
	}
	timer := time.AfterFunc(fileTimeout, func() { _ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) })
	answer, readErr := io.ReadAll(io.LimitReader(r, fileValuesLimit+1))
	err = cmd.Wait()
	if !timer.Stop() {
		err = fmt.Errorf("it ran for more than %v", fileTimeout)
	}
	if errors.Is(err, exec.ErrWaitDelay) {
		err = nil
	}
	if err == nil && len(answer) > fileValuesLimit {
		err = fmt.Errorf("its values are larger than %d bytes", fileValuesLimit)
	}
	return answer, printed.String(), errors.Join(err, readErr)
}

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
