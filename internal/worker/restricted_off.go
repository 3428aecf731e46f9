//go:build !restricted

package worker

// restricted acts as if the system had neither packet pipes nor memfd, as gVisor and
// seccomp filters do, so that their path is tested where both are. With the build
// tag restricted it is true.
const restricted = false
