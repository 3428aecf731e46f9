package serve

import (
	"bufio"
	"fmt"
	"io"
	"os"
)

// captureLine bounds how much of one line is kept together.
const captureLine = 64 << 10

// capture opens a file that workers write their standard output and error to;
// what they write goes to the error log, line by line. It goes on until the
// last writer has closed it.
func (s *server) capture() error {
	r, w, err := os.Pipe()
	if err != nil {
		return fmt.Errorf("capture output: %w", err)
	}
	go func() {
		defer r.Close()
		lines := bufio.NewReaderSize(r, captureLine)
		for {
			line, err := lines.ReadSlice('\n')
			if len(line) > 0 {
				_, _ = s.log.Write(line)
			}
			if err != nil && err != bufio.ErrBufferFull {
				_, _ = io.Copy(io.Discard, r)
				return
			}
		}
	}()
	s.captured = w
	return nil
}
