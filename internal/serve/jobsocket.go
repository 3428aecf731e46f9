package serve

import (
	"cmp"
	"errors"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// openJobSocket makes the socket by which this server's own processes reach its jobs. It is
// in a directory that only this user can enter.
func (w *work) openJobSocket(s *server) error {
	err := w.openJobSocketIn(cmp.Or(s.cfg.SpoolDir, s.cfg.TmpUploadDir, os.TempDir()))
	if err != nil && w.engine.Dir != "" { // which may be all that can be written to
		err = w.openJobSocketIn(w.engine.Dir)
	}
	return err
}

func (w *work) openJobSocketIn(parent string) error {
	sweepJobSockets(parent)
	dir, err := os.MkdirTemp(parent, jobSocketDir)
	if err != nil {
		return err
	}
	path := filepath.Join(dir, "sock")
	l, err := net.Listen("unix", path)
	if err != nil {
		os.RemoveAll(dir)
		return err
	}
	w.socket, w.path = l, path
	return nil
}

const (
	jobSocketDir = "girin-jobs-"
	sweptAfter   = time.Minute // a server makes its socket long before
)

// sweepJobSockets removes what this user's servers have left that were killed.
func sweepJobSockets(parent string) {
	dirs, _ := filepath.Glob(filepath.Join(parent, jobSocketDir+"*"))
	for _, dir := range dirs {
		info, err := os.Lstat(dir)
		if err != nil || !info.IsDir() || time.Since(info.ModTime()) < sweptAfter {
			continue
		}
		if st, ok := info.Sys().(*syscall.Stat_t); !ok || int(st.Uid) != os.Geteuid() {
			continue
		}
		conn, err := net.DialTimeout("unix", filepath.Join(dir, "sock"), time.Second)
		switch {
		case err == nil:
			conn.Close()
		case errors.Is(err, syscall.ECONNREFUSED), errors.Is(err, os.ErrNotExist):
			os.RemoveAll(dir)
		}
	}
}

// serveJobSocket answers on it until stop.
func (s *server) serveJobSocket() (stop func()) {
	if s.work.socket == nil {
		return func() {}
	}
	web := &http.Server{Handler: s.work.node.Inside(), ReadHeaderTimeout: 10 * time.Second, IdleTimeout: time.Minute}
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := web.Serve(s.work.socket); !errors.Is(err, http.ErrServerClosed) {
			s.log.Errorf("jobs: %v", err)
		}
	}()
	return func() {
		web.Close()
		<-done
		os.RemoveAll(filepath.Dir(s.work.path))
	}
}

// jobsPath is where the application's processes find the socket; "": there is none.
func (s *server) jobsPath() string {
	if s.work == nil {
		return ""
	}
	return s.work.path
}

// storeMost is no limit of the engine's own: at one of its own it would also refuse what
// those jobs have to write that are there, and none could ever end.
const storeMost = 1 << 50

// The disk is full for new jobs long before it is for those that are there: with less than
// reserveMost, or a quarter of a small one.
const (
	reserveMost  = 256 << 20
	reserveShare = 4
)

// freeIn is how many bytes are free where a directory is.
func freeIn(dir string) int64 {
	var fs unix.Statfs_t
	if unix.Statfs(dir, &fs) != nil {
		return usualMost
	}
	return int64(uint64(fs.Bavail) * uint64(fs.Bsize))
}

// roomIn reports whether the directory's disk takes so many bytes more.
func roomIn(dir string, more int64) bool {
	var fs unix.Statfs_t
	if unix.Statfs(dir, &fs) != nil {
		return true // JetStream will tell
	}
	left, all := uint64(fs.Bavail)*uint64(fs.Bsize), uint64(fs.Blocks)*uint64(fs.Bsize)
	return left > min(reserveMost, all/reserveShare)+uint64(max(more, 0))
}
