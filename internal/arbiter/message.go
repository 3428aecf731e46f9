package arbiter

import (
	"bufio"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"

	"golang.org/x/sys/unix"
)

// largest bounds a message of the process: the values of a configuration file.
const largest = 16 << 20

// answer is what the process says.
type answer struct {
	// Of an answer to a message.
	Done    bool            `json:"done"`
	Failed  string          `json:"failed"`
	Status  *int            `json:"status"` // with Failed: it ends a program, with this exit status
	Values  json.RawMessage `json:"values"`
	Others  []string        `json:"others"`
	Wants   *Wants          `json:"log_lines"`
	Mount   string          `json:"script_name"` // with Wants
	Forked  int             `json:"forked"`
	Carried json.RawMessage `json:"carried"`
	TLS     *TLS            `json:"tls"`
	NoTLS   string          `json:"tls_failed"` // why there is none, at a reload

	// At any time.
	Log       *string `json:"log"`
	Level     int     `json:"level"`
	PID       int     `json:"pid"`
	Scale     *int    `json:"scale"`
	Interrupt int     `json:"interrupt"` // the first message: the signal that ends a hook
}

// send writes a message and the descriptors that come with it.
func send(c *net.UnixConn, message any, files []*os.File) error {
	data, err := json.Marshal(message)
	if err != nil {
		return err
	}
	data = append(binary.LittleEndian.AppendUint32(nil, uint32(len(data))), data...)
	var rights []byte
	if len(files) > 0 {
		fds := make([]int, len(files))
		for i, f := range files {
			fds[i] = int(f.Fd())
		}
		rights = unix.UnixRights(fds...)
	}
	n, _, err := c.WriteMsgUnix(data, rights, nil)
	if err != nil {
		return err
	}
	_, err = c.Write(data[n:])
	return err
}

// receive reads a message.
func receive(r *bufio.Reader, message any) error {
	var head [4]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return err
	}
	size := binary.LittleEndian.Uint32(head[:])
	if size > largest {
		return fmt.Errorf("a message of %d bytes", size)
	}
	data := make([]byte, size)
	if _, err := io.ReadFull(r, data); err != nil {
		return err
	}
	return json.Unmarshal(data, message)
}
