// Package job is what a job is, without any network: its name, how it looks as a message,
// what its request says, and the states that it goes through.
package job

import (
	"crypto/rand"
	"encoding/base32"
	"fmt"
	"hash/fnv"
	"strings"
)

// ID names a job: 128 random bits, which nobody guesses.
type ID [16]byte

// NewID returns one that nobody has.
func NewID() (id ID) {
	_, _ = rand.Read(id[:]) // which never fails
	return id
}

var idText = base32.NewEncoding("0123456789abcdefghjkmnpqrstvwxyz").WithPadding(base32.NoPadding)

func (id ID) String() string { return idText.EncodeToString(id[:]) }

// ParseID reads what String has written.
func ParseID(text string) (id ID, ok bool) {
	b, err := idText.DecodeString(text)
	if err != nil || len(b) != len(id) {
		return id, false
	}
	copy(id[:], b)
	return id, id.String() == text
}

// Token makes a name one part of a NATS subject or of a stream's name. Names that differ
// have tokens that differ.
func Token(name string) string {
	clean := strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '-' {
			return r
		}
		return '_'
	}, name)
	if clean == name && len(name) <= longestToken && name != "" {
		return name
	}
	h := fnv.New32a()
	_, _ = h.Write([]byte(name))
	return fmt.Sprintf("%s_%08x", clean[:min(len(clean), longestToken)], h.Sum32())
}

const longestToken = 64
