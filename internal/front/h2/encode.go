package h2

import (
	"bytes"
	"hash/maphash"
	"unsafe"

	"golang.org/x/net/http2/hpack"
)

// encoder encodes header blocks (RFC 7541). Its dynamic table holds only what
// came twice: a date or a server's name costs one byte from the third answer on,
// and what differs in each answer does not drive it out. Encoding allocates only
// when a field enters the table.
type encoder struct {
	max     uint32 // size of the table, as the client was told
	limit   uint32 // what it allows
	least   uint32 // the least that it allowed since the last block
	size    uint32
	entries []entry          // the newest last
	once    [onceMost]uint32 // hashes of the last fields that are not in the table
	next    int              // of once, to be overwritten
	text    []byte           // the field at hand: name in lower case, NUL, value
}

// entry is a field of the dynamic table.
type entry struct {
	hash  uint32
	split int // where the NUL is
	text  []byte
}

func (e *entry) size() uint32 { return uint32(len(e.text)) - 1 + entryOverhead }

const (
	tableMost     = 4096 // bytes of the table, whatever the client would allow
	entryOverhead = 32   // RFC 7541 section 4.1
	onceMost      = 32   // how many fields are remembered that came once
)

var seed = maphash.MakeSeed()

func (e *encoder) init() { e.max, e.limit, e.least = tableMost, tableMost, tableMost }

// resize takes the client's SETTINGS_HEADER_TABLE_SIZE.
func (e *encoder) resize(n uint32) {
	e.limit = min(n, tableMost)
	e.least = min(e.least, e.limit)
}

// begin appends what must stand before a block's first field. Of two changes the
// block tells the smaller one and the next block the larger: some decoders take
// only one at a time.
func (e *encoder) begin(dst []byte) []byte {
	if e.least == e.max {
		return dst
	}
	e.max, e.least = e.least, e.limit
	e.evict(0)
	return appendInt(dst, 0x20, 5, uint64(e.max))
}

// status appends :status.
func (e *encoder) status(dst []byte, code int) []byte {
	for i, known := range staticStatus {
		if code == known {
			return append(dst, 0x80|byte(firstStatus+i))
		}
	}
	digits := [3]byte{byte('0' + code/100%10), byte('0' + code/10%10), byte('0' + code%10)}
	return append(append(dst, firstStatus, 3), digits[:]...)
}

const firstStatus = 8

var staticStatus = [...]int{200, 204, 206, 304, 400, 404, 500}

// field appends a field, its name in any case.
func (e *encoder) field(dst, name, value []byte) []byte {
	t := e.text[:0]
	for _, c := range name {
		if 'A' <= c && c <= 'Z' {
			c += 'a' - 'A'
		}
		t = append(t, c)
	}
	split := len(t)
	t = append(append(t, 0), value...)
	e.text = t
	if secret(t[:split]) {
		return appendLiteral(dst, 0x10, 4, t[:split], t[split+1:])
	}
	hash := uint32(maphash.Bytes(seed, t))
	for i := len(e.entries) - 1; i >= 0; i-- {
		if e.entries[i].hash == hash && bytes.Equal(e.entries[i].text, t) {
			return appendInt(dst, 0x80, 7, uint64(staticEntries+len(e.entries)-i))
		}
	}
	if !e.cameBefore(hash) || !e.add(hash, split) {
		return appendLiteral(dst, 0, 4, t[:split], t[split+1:])
	}
	return appendLiteral(dst, 0x40, 6, t[:split], t[split+1:])
}

// secret reports whether a field must not be compressed with what others can
// choose (RFC 7541 section 7.1.3).
func secret(name []byte) bool {
	return string(name) == "set-cookie" || string(name) == "authorization"
}

// cameBefore reports whether a field with that hash came lately, and notes it.
func (e *encoder) cameBefore(hash uint32) bool {
	for _, known := range e.once {
		if known == hash {
			return true
		}
	}
	e.once[e.next%onceMost] = hash
	e.next++
	return false
}

// add makes the field at hand the newest entry, and reports whether it fits.
func (e *encoder) add(hash uint32, split int) bool {
	n := uint32(len(e.text)) - 1 + entryOverhead
	if n > e.max/4 {
		return false
	}
	e.evict(n)
	e.entries = append(e.entries, entry{hash, split, bytes.Clone(e.text)})
	e.size += n
	return true
}

// evict makes room for n bytes.
func (e *encoder) evict(n uint32) {
	drop := 0
	for ; e.size+n > e.max && drop < len(e.entries); drop++ {
		e.size -= e.entries[drop].size()
	}
	if drop > 0 {
		kept := copy(e.entries, e.entries[drop:])
		clear(e.entries[kept:])
		e.entries = e.entries[:kept]
	}
}

// appendLiteral appends a literal field. A name of the static table is its index.
func appendLiteral(dst []byte, form byte, bits int, name, value []byte) []byte {
	index := staticNames[string(name)]
	dst = appendInt(dst, form, bits, uint64(index))
	if index == 0 {
		dst = appendString(dst, name)
	}
	return appendString(dst, value)
}

// appendString appends a string literal, in Huffman's code if that is shorter.
func appendString(dst, s []byte) []byte {
	text := unsafe.String(unsafe.SliceData(s), len(s)) // not kept
	if n := hpack.HuffmanEncodeLength(text); n < uint64(len(s)) {
		return hpack.AppendHuffmanString(appendInt(dst, 0x80, 7, n), text)
	}
	return append(appendInt(dst, 0, 7, uint64(len(s))), s...)
}

// appendInt appends an integer with a prefix of so many bits (RFC 7541 section
// 5.1), in a byte whose other bits are form's.
func appendInt(dst []byte, form byte, bits int, n uint64) []byte {
	most := uint64(1)<<bits - 1
	if n < most {
		return append(dst, form|byte(n))
	}
	dst = append(dst, form|byte(most))
	for n -= most; n >= 0x80; n >>= 7 {
		dst = append(dst, byte(n)|0x80)
	}
	return append(dst, byte(n))
}

// staticEntries is how many fields RFC 7541 appendix A has.
const staticEntries = 61

// staticNames are the names among them that an answer may have, with their
// index.
var staticNames = map[string]uint8{
	"accept-ranges": 18, "access-control-allow-origin": 20, "age": 21, "allow": 22, "cache-control": 24,
	"content-disposition": 25, "content-encoding": 26, "content-language": 27, "content-length": 28,
	"content-location": 29, "content-range": 30, "content-type": 31, "date": 33, "etag": 34, "expires": 36,
	"last-modified": 44, "link": 45, "location": 46, "refresh": 52, "retry-after": 53, "server": 54,
	"set-cookie": 55, "strict-transport-security": 56, "vary": 59, "via": 60, "www-authenticate": 61,
}
