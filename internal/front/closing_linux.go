package front

import (
	"bufio"
	"net"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// onlySYN is a filter that drops what begins a connection, a packet with SYN and
// neither ACK, RST nor FIN, and passes the rest. The packets of a TCP socket begin
// with its header, in IPv6 as well; its byte 13 holds the flags.
var onlySYN = []unix.SockFilter{
	{Code: unix.BPF_LD | unix.BPF_B | unix.BPF_ABS, K: 13},
	{Code: unix.BPF_ALU | unix.BPF_AND | unix.BPF_K, K: 0x17},
	{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: 0x02, Jf: 1},
	{Code: unix.BPF_RET | unix.BPF_K, K: 0},
	{Code: unix.BPF_RET | unix.BPF_K, K: 0xffffffff},
}

// dropSYNs lets a listening TCP socket answer no new connection. It needs no rights.
// Where it fails some may be reset, as with every other server.
func dropSYNs(fd int) {
	_ = unix.SetsockoptSockFprog(fd, unix.SOL_SOCKET, unix.SO_ATTACH_FILTER,
		&unix.SockFprog{Len: uint16(len(onlySYN)), Filter: &onlySYN[0]})
}

// shakesHands reports whether a client of this port has been answered and has not
// confirmed yet: it may hold the connection for open.
func shakesHands(d socket) bool {
	a, ok := d.Addr().(*net.TCPAddr)
	if !ok {
		return false
	}
	for _, table := range []string{"/proc/net/tcp", "/proc/net/tcp6"} {
		if hasHandshake(table, uint64(a.Port)) {
			return true
		}
	}
	return false
}

// synRecv is the state TCP_SYN_RECV in the tables of connections (proc(5)).
const synRecv = "03"

func hasHandshake(table string, port uint64) bool {
	f, err := os.Open(table)
	if err != nil {
		return false
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		fields := strings.Fields(lines.Text())
		if len(fields) < 4 || fields[3] != synRecv {
			continue
		}
		_, hex, _ := strings.Cut(fields[1], ":")
		if local, err := strconv.ParseUint(hex, 16, 16); err == nil && local == port {
			return true
		}
	}
	return false
}
