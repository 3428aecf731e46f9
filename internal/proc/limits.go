package proc

import (
	"errors"
	"fmt"
	"math"
	"strings"

	"golang.org/x/sys/unix"
)

// limit is one that the system puts on a process (getrlimit(2)), by how it is raised.
type limit struct {
	resource     int
	of           string
	ulimit, unit string // its flag; what it is counted in
	systemd      string
}

var (
	fileSize = limit{unix.RLIMIT_FSIZE, "the size of a file", "-f", "KiB", "LimitFSIZE"}
	refused  = map[unix.Errno][]limit{
		unix.EFBIG:  {fileSize},
		unix.ENOMEM: {{unix.RLIMIT_AS, "the address space", "-v", "KiB", "LimitAS"}, {unix.RLIMIT_DATA, "the data", "-d", "KiB", "LimitDATA"}},
		unix.EMFILE: {{unix.RLIMIT_NOFILE, "open files", "-n", "", "LimitNOFILE"}},
		unix.EAGAIN: {{unix.RLIMIT_NPROC, "this user's processes and threads", "-u", "", "LimitNPROC"}},
	}
	stack = limit{unix.RLIMIT_STACK, "the stack", "-s", "KiB", "LimitSTACK"}
)

// Limited adds to an error at a start the limits that it may come of: the system's own
// words, such as "cannot allocate memory", name none.
func Limited(err error) error {
	var no unix.Errno
	if !errors.As(err, &no) {
		return err
	}
	var said []string
	for _, l := range refused[no] {
		if is := l.String(); is != "" {
			said = append(said, is)
		}
	}
	if len(said) == 0 {
		return err
	}
	return fmt.Errorf("%w; %s", err, strings.Join(said, "; "))
}

// LargestFile is how many bytes a file of this process may have.
func LargestFile() int64 { return int64(min(fileSize.value(), math.MaxInt64)) }

// SmallStack says of a stack that it is too small for most programs; "": it is not.
func SmallStack() string {
	if stack.value() >= 1<<20 {
		return ""
	}
	return stack.String()
}

// value is as much as there may be; math.MaxUint64: there is no limit.
func (l limit) value() uint64 {
	var is unix.Rlimit
	if unix.Getrlimit(l.resource, &is) != nil || is.Cur == unix.RLIM_INFINITY {
		return math.MaxUint64
	}
	return uint64(is.Cur) // signed on FreeBSD
}

// String says what it is and how it is raised; "": there is none.
func (l limit) String() string {
	n := l.value()
	if n == math.MaxUint64 {
		return ""
	}
	if l.unit != "" {
		n >>= 10
	}
	return fmt.Sprintf("%s: limited to %s (ulimit %s; %s=)", l.of, strings.TrimSpace(fmt.Sprintf("%d %s", n, l.unit)), l.ulimit, l.systemd)
}
