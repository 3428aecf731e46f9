package serve

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/fsnotify/fsnotify"

	"girin/internal/config"
	"girin/internal/guard"
)

// sources are the files that --reload watches: Python's below the working directory and the
// python path, and those of --reload-extra-file.
type sources struct {
	mu     sync.Mutex
	watch  *fsnotify.Watcher // guarded by mu; nil: nothing is watched
	ended  chan struct{}     // guarded by mu: closed when nobody follows watch any longer
	closed bool              // guarded by mu
}

// watchFiles watches them until stop.
func (s *server) watchFiles() (stop func(), err error) {
	return s.sources.close, s.watchAs(s.cfg)
}

// watchAs watches what the settings say, and nothing else any longer.
func (s *server) watchAs(c *config.Config) error {
	w := &s.sources
	w.mu.Lock()
	defer w.mu.Unlock()
	w.leaveLocked()
	if !c.Reload || w.closed {
		return nil
	}
	watch, err := fsnotify.NewWatcher()
	if err != nil {
		return fmt.Errorf("--reload: %w", err)
	}
	for _, dir := range append([]string{c.Chdir}, c.PythonPath...) {
		watchTree(watch, dir)
	}
	extra := map[string]bool{}
	for _, pattern := range c.ReloadExtraFiles {
		files, _ := filepath.Glob(pattern)
		for _, f := range files {
			extra[f] = true
			_ = watch.Add(filepath.Dir(f))
		}
	}
	ended := make(chan struct{})
	w.watch, w.ended = watch, ended
	go func() {
		defer close(ended)
		s.guard.Keep(guard.Part{Name: "--reload", Run: func() { s.followFiles(watch, extra) }})
	}()
	return nil
}

// watchesOther reports whether two configurations watch different files.
func watchesOther(a, b *config.Config) bool {
	return a.Reload != b.Reload || a.Chdir != b.Chdir || !slices.Equal(a.PythonPath, b.PythonPath) || !slices.Equal(a.ReloadExtraFiles, b.ReloadExtraFiles)
}

func (w *sources) close() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.leaveLocked()
	w.closed = true
}

func (w *sources) leaveLocked() {
	if w.watch != nil {
		w.watch.Close()
		<-w.ended
		w.watch = nil
	}
}

const (
	quietTime    = 100 * time.Millisecond // for so long no file may change before the reload,
	restlessTime = time.Second            // which does not wait longer where they go on changing
)

// followFiles reloads when one changes. Editors write a file in several steps, so it waits until
// things are quiet.
func (s *server) followFiles(w *fsnotify.Watcher, extra map[string]bool) {
	quiet := time.NewTimer(time.Hour)
	quiet.Stop()
	var changed string
	var since time.Time
	for {
		select {
		case e, ok := <-w.Events:
			if !ok {
				return
			}
			if info, err := os.Stat(e.Name); err == nil && info.IsDir() && e.Has(fsnotify.Create) {
				watchTree(w, e.Name)
			}
			if !e.Has(fsnotify.Chmod) && (filepath.Ext(e.Name) == ".py" || extra[e.Name]) {
				if changed == "" {
					since = time.Now()
				}
				changed = e.Name
				quiet.Reset(min(quietTime, time.Until(since.Add(restlessTime))))
			}
		case <-quiet.C:
			s.log.Infof("%s changed; reloading", changed)
			changed = ""
			s.signals.reload.ask()
		case err, ok := <-w.Errors:
			if !ok {
				return
			}
			s.log.Warningf("watching files: %v", err)
		}
	}
}

// watchTree watches a directory and those below it, but for what holds no code
// of the application's own.
func watchTree(w *fsnotify.Watcher, root string) {
	_ = filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.IsDir() {
			return nil
		}
		if path != root && (strings.HasPrefix(d.Name(), ".") || slices.Contains(notCode, d.Name())) || isVenv(path) {
			return filepath.SkipDir
		}
		return w.Add(path)
	})
}

var notCode = []string{"__pycache__", "node_modules", "site-packages", "venv"}

func isVenv(path string) bool {
	_, err := os.Stat(filepath.Join(path, "pyvenv.cfg"))
	return err == nil
}
