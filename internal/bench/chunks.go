package bench

import (
	"bytes"
	"fmt"
)

// takeLine takes a chunk-size line, the end of a chunk or a trailer line (RFC 9112, 7.1).
func (r *response) takeLine(b []byte) (int, error) {
	i := bytes.IndexByte(b[r.scanned:], '\n')
	if i < 0 {
		r.scanned = len(b)
		if len(b) > maxChunkLine {
			return 0, malformed("endless line in a chunked body")
		}
		return 0, nil
	}
	n := r.scanned + i + 1
	r.scanned = 0
	line := trimLine(b[:n])
	switch r.state {
	case inChunkEnd:
		if len(line) > 0 {
			return 0, malformed("no line break after a chunk")
		}
		r.state = inChunkLine
	case inChunkLine:
		size, err := chunkSize(line)
		if err != nil {
			return 0, err
		}
		r.remaining, r.state = size, inBody
		if size == 0 {
			r.state = inTrailer
		}
	case inTrailer:
		if r.trailer += n; r.trailer > maxHead {
			return 0, malformed("endless trailers")
		}
		if len(line) == 0 {
			r.finish()
		}
	}
	return n, nil
}

// chunkSize reads a chunk-size line; extensions are ignored.
func chunkSize(line []byte) (uint64, error) {
	digits, _, _ := bytes.Cut(line, []byte(";"))
	digits = bytes.TrimRight(digits, " \t")
	if len(digits) == 0 || len(digits) > 15 {
		return 0, malformed(fmt.Sprintf("chunk size %.40q", line))
	}
	var n uint64
	for _, c := range digits {
		switch {
		case '0' <= c && c <= '9':
			n = n<<4 | uint64(c-'0')
		case 'a' <= c|0x20 && c|0x20 <= 'f':
			n = n<<4 | uint64(c|0x20-'a'+10)
		default:
			return 0, malformed(fmt.Sprintf("chunk size %.40q", line))
		}
	}
	return n, nil
}
