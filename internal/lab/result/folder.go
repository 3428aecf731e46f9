package result

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"girin/internal/lab/plan"
)

// Names within a folder.
const (
	planName    = "plan.yaml"
	machineName = "machine.json"
	runsName    = "runs.jsonl"
	csvName     = "results.csv"
	// ReportName is the page that `girin lab report` writes; ChartsName the folder beside it.
	ReportName = "report.html"
	ChartsName = "charts"
)

// A Folder is an opened or new results folder.
type Folder struct {
	Dir     string
	Plan    *plan.Plan
	Source  []byte // plan.yaml
	Machine Machine
	Runs    []Run
}

// Create makes a folder that holds the plan and the machine. It must not exist.
func Create(dir string, source []byte, m Machine) (*Folder, error) {
	if err := os.MkdirAll(filepath.Dir(dir), 0o777); err != nil {
		return nil, err
	}
	if err := os.Mkdir(dir, 0o777); err != nil {
		return nil, err
	}
	if err := os.WriteFile(filepath.Join(dir, planName), source, 0o666); err != nil {
		return nil, err
	}
	f := &Folder{Dir: dir, Source: source, Machine: m}
	if err := f.SaveMachine(); err != nil {
		return nil, err
	}
	return f, f.parsePlan()
}

// Open reads a folder.
func Open(dir string) (*Folder, error) {
	source, err := os.ReadFile(filepath.Join(dir, planName))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%s is no results folder: it has no %s", dir, planName)
	} else if err != nil {
		return nil, err
	}
	f := &Folder{Dir: dir, Source: source}
	text, err := os.ReadFile(filepath.Join(dir, machineName))
	if err == nil {
		err = json.Unmarshal(text, &f.Machine)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", filepath.Join(dir, machineName), err)
	}
	if err := f.readRuns(); err != nil {
		return nil, err
	}
	judgeBodies(f.Runs)
	return f, f.parsePlan()
}

func (f *Folder) parsePlan() (err error) {
	f.Plan, err = plan.Parse(filepath.Join(f.Dir, planName), f.Source, max(1, f.Machine.UsableCores))
	return err
}

func (f *Folder) readRuns() error {
	file, err := os.Open(filepath.Join(f.Dir, runsName))
	if errors.Is(err, fs.ErrNotExist) {
		return nil // stopped before the first run
	} else if err != nil {
		return err
	}
	defer file.Close()
	f.Runs, err = decodeRuns(file)
	if err != nil {
		return fmt.Errorf("%s: %w", file.Name(), err)
	}
	return nil
}

// decodeRuns reads JSON lines. A last line without its end is what a crash left of it and
// is ignored.
func decodeRuns(r io.Reader) ([]Run, error) {
	var runs []Run
	buffered := bufio.NewReader(r)
	for n := 1; ; n++ {
		line, err := buffered.ReadBytes('\n')
		if err == io.EOF {
			return runs, nil
		} else if err != nil {
			return nil, err
		}
		var run Run
		if err := json.Unmarshal(line, &run); err != nil {
			return nil, fmt.Errorf("line %d: %w", n, err)
		}
		runs = append(runs, run)
	}
}

// SaveMachine writes machine.json anew.
func (f *Folder) SaveMachine() error {
	text, err := json.MarshalIndent(f.Machine, "", "  ")
	if err != nil {
		return err
	}
	return Replace(filepath.Join(f.Dir, machineName), append(text, '\n'))
}

// Append adds the runs of one visit, wholly or not at all.
func (f *Folder) Append(runs []Run) error {
	var text []byte
	for i := range runs {
		line, err := json.Marshal(&runs[i])
		if err != nil {
			return err
		}
		text = append(append(text, line...), '\n')
	}
	path := filepath.Join(f.Dir, runsName)
	file, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o666)
	if err != nil {
		return err
	}
	info, err := file.Stat()
	if err == nil {
		_, err = file.Write(text)
	}
	if err != nil {
		if info != nil { // a full disk takes some of the lines: the visit would pass for measured
			_ = os.Truncate(path, info.Size())
		}
		file.Close()
		return err
	}
	f.Runs = append(f.Runs, runs...)
	return file.Close()
}

// Repair cuts off what a crash left of a line, so that Append does not continue it.
func (f *Folder) Repair() error {
	path := filepath.Join(f.Dir, runsName)
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	} else if err != nil {
		return err
	}
	end := len(text)
	for end > 0 && text[end-1] != '\n' {
		end--
	}
	if end == len(text) {
		return nil
	}
	return os.Truncate(path, int64(end))
}

// Done holds the keys of the visits that have been measured.
func (f *Folder) Done() map[string]bool {
	done := map[string]bool{}
	for i := range f.Runs {
		done[f.Runs[i].Visit] = true
	}
	return done
}

// Path is the path of a name within the folder.
func (f *Folder) Path(elem ...string) string {
	return filepath.Join(append([]string{f.Dir}, elem...)...)
}
