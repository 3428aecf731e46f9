package sched

import (
	"hash/maphash"
	"slices"
)

// segments cuts a path into its segments, each with the slash before it.
func segments(path []byte, visit func(segment []byte)) {
	for start := 0; start < len(path); {
		end := start + 1
		for end < len(path) && path[end] != '/' {
			end++
		}
		visit(path[start:end])
		start = end
	}
}

// hash tells routes apart without making their names, and their parents: segments that
// are values hash alike, and so do those whose parent is folded.
func (t *routes) hash(method, path []byte, folded map[uint64]bool) (h, parent uint64) {
	h = maphash.Bytes(t.seed, method)
	for start := 0; start < len(path); {
		end := start + 1
		for end < len(path) && path[end] != '/' {
			end++
		}
		segment := path[start:end]
		if isValue(segment) || folded != nil && folded[h] && len(segment) > 1 {
			segment = valueSegment
		}
		parent = h
		h = h*0x9e3779b97f4a7c15 ^ maphash.Bytes(t.seed, segment)
		start = end
	}
	return h | 1, parent // 0 is the hash of an empty place
}

var valueSegment = []byte("/*")

// pattern is path with each value replaced by an asterisk.
func pattern(path []byte) string {
	var b []byte
	segments(path, func(segment []byte) {
		if isValue(segment) {
			segment = valueSegment
		}
		b = append(b, segment...)
	})
	return string(slices.Clip(b))
}

// foldedPattern is pattern where some parents are folded.
func (t *routes) foldedPattern(method, path []byte, folded map[uint64]bool) string {
	var b []byte
	h := maphash.Bytes(t.seed, method)
	segments(path, func(segment []byte) {
		if isValue(segment) || folded[h] && len(segment) > 1 {
			segment = valueSegment
		}
		b = append(b, segment...)
		h = h*0x9e3779b97f4a7c15 ^ maphash.Bytes(t.seed, segment)
	})
	return string(b)
}

// isValue reports whether a segment ("/" and what follows) is a number, a
// UUID, a long hexadecimal id or a ULID rather than a name.
func isValue(segment []byte) bool {
	if len(segment) < 2 || segment[0] != '/' {
		return false
	}
	if len(segment) == 1+26 && isULID(segment[1:]) {
		return true
	}
	digits, hex, other := 0, 0, 0
	for _, c := range segment[1:] {
		switch {
		case c >= '0' && c <= '9':
			digits++
		case c >= 'a' && c <= 'f' || c >= 'A' && c <= 'F':
			hex++
		case c == '-' || c == '.':
			other++
		default:
			return false
		}
	}
	if hex == 0 {
		return digits > 0 && other <= 2
	}
	return digits > 0 && digits+hex >= 8
}

// isULID reports whether 26 characters are 128 bits in base 32, as ULIDs and the names of jobs
// are: letters and digits, of which random bits have eight.
func isULID(b []byte) bool {
	digits := 0
	for _, c := range b {
		switch {
		case c >= '0' && c <= '9':
			digits++
		case c < 'A' || c > 'z' || c > 'Z' && c < 'a':
			return false
		}
	}
	return digits >= 3
}

// Pattern is a path with each value in it, such as a number or an id, replaced by an asterisk: what
// routes are named by.
func Pattern(path string) string { return pattern([]byte(path)) }
