package serve

import (
	"math"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"girin/internal/wire"
)

// maxFiles is how many connections and files for them there may be: the
// descriptors that the system allows, less what the server itself needs.
func (s *server) maxFiles() int {
	limit, spare := descriptorLimit(), s.spareDescriptors()
	return int(min(limit-min(limit/2, spare), math.MaxInt32))
}

func descriptorLimit() uint64 {
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		return 1024
	}
	return uint64(limit.Cur) // signed on FreeBSD
}

// Descriptors that are kept free of connections.
const (
	spareOfServer = 64 // logs, listeners, lanes, the control socket, what lasts a moment
	spareOfWorker = 4  // its two sockets, its process, and one of those that its start takes
)

// spareDescriptors are what the server itself needs, during a reload as well, when
// there are two generations of workers.
func (s *server) spareDescriptors() uint64 {
	return spareOfServer + 2*spareOfWorker*uint64(s.sizes.most)
}

// checkDescriptors warns of a limit of which the workers take the better part.
func (s *server) checkDescriptors() error {
	if limit, spare := descriptorLimit(), s.spareDescriptors(); spare > limit/2 {
		s.log.Warningf("The limit of %d open files is low for %d workers: raise it (ulimit -n; LimitNOFILE=); connections may take %d",
			limit, s.sizes.most, s.maxFiles())
	}
	return nil
}

// cells is how many requests there may be at once: one for each connection, or
// of HTTP/2 one for each stream.
func (s *server) cells() int {
	if s.tls != nil && slices.Contains(s.cfg.HTTPProtocols, "h2") || http2Options(s.cfg).Clear {
		return wire.FlagTable - 1
	}
	return min(s.maxFiles()+sparedCells, wire.FlagTable-1)
}

// sparedCells are for requests whose connection has gone: those that lie in a lane
// until somebody reads them, and those that a worker may still have.
const sparedCells = 2048

// bootLimit is how long a worker may take to import the application: at least
// a minute, however short requests must be.
func bootLimit(timeout time.Duration) time.Duration {
	if timeout == 0 {
		return 0
	}
	return max(timeout, time.Minute)
}

// silenceLimit is how long a worker may give no sign of life: as in gunicorn the
// timeout, but at least what a busy machine may need.
func silenceLimit(timeout time.Duration) time.Duration {
	if timeout == 0 {
		return 0
	}
	return max(timeout, 10*time.Second)
}
