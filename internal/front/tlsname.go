package front

import (
	"encoding/asn1"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// Names of certificates are printed from their own bytes: package pkix sorts
// them into fields, which loses their order and all but one of each type, so
// that different names would look the same.

// attribute is a part of a name: its type and value. A name is a sequence of
// sets of them; asn1 knows a set by the end of its type's name.
type (
	attribute struct {
		Type  asn1.ObjectIdentifier
		Value asn1.RawValue
	}
	attributeSET []attribute
)

// attributeNames are those of RFC 4514 section 3 and of OpenSSL, as mod_ssl has
// them.
var attributeNames = map[string]string{
	"2.5.4.3": "CN", "2.5.4.4": "SN", "2.5.4.5": "serialNumber", "2.5.4.6": "C", "2.5.4.7": "L",
	"2.5.4.8": "ST", "2.5.4.9": "STREET", "2.5.4.10": "O", "2.5.4.11": "OU", "2.5.4.12": "title",
	"2.5.4.42": "GN", "2.5.4.43": "initials", "2.5.4.44": "generationQualifier", "2.5.4.46": "dnQualifier",
	"2.5.4.65": "pseudonym", "2.5.4.97": "organizationIdentifier",
	"0.9.2342.19200300.100.1.1": "UID", "0.9.2342.19200300.100.1.25": "DC",
	"1.2.840.113549.1.9.1": "emailAddress",
}

const commonName = "2.5.4.3"

// distinguishedName prints a name in DER as RFC 4514 section 2 says: the last
// part first.
func distinguishedName(der []byte) string {
	name, err := parseName(der)
	if err != nil {
		return "#" + hex.EncodeToString(der)
	}
	var b strings.Builder
	for i := len(name) - 1; i >= 0; i-- {
		for k := range name[i] {
			if k > 0 {
				b.WriteByte('+')
			} else if b.Len() > 0 {
				b.WriteByte(',')
			}
			name[i][k].print(&b)
		}
	}
	return b.String()
}

func parseName(der []byte) (name []attributeSET, err error) {
	rest, err := asn1.Unmarshal(der, &name)
	if err == nil && len(rest) > 0 {
		err = errors.New("bytes follow a name")
	}
	return name, err
}

// print writes type and value. A value whose type has no name, or that is no
// string, is told by its bytes (RFC 4514 section 2.4).
func (a *attribute) print(b *strings.Builder) {
	oid := a.Type.String()
	name, known := attributeNames[oid]
	text, isText := a.text()
	if !known {
		name = oid
	}
	b.WriteString(name)
	b.WriteByte('=')
	if !known || !isText {
		b.WriteByte('#')
		b.WriteString(hex.EncodeToString(a.Value.FullBytes))
		return
	}
	for i, c := range []byte(text) {
		edge := i == 0 && (c == ' ' || c == '#') || i == len(text)-1 && c == ' '
		if edge || strings.IndexByte(`"+,;<>\`, c) >= 0 {
			b.WriteByte('\\')
			b.WriteByte(c)
		} else {
			printByte(b, c)
		}
	}
}

// printByte writes a byte of a value, a control character in hexadecimal.
func printByte(b *strings.Builder, c byte) {
	if c < ' ' || c == 0x7f {
		fmt.Fprintf(b, "\\%02X", c)
		return
	}
	b.WriteByte(c)
}

// text is the value in UTF-8, if it is one of the types of strings.
func (a *attribute) text() (text string, ok bool) {
	if a.Value.Class != asn1.ClassUniversal {
		return "", false
	}
	b := a.Value.Bytes
	switch a.Value.Tag {
	case asn1.TagUTF8String, asn1.TagPrintableString, asn1.TagIA5String, asn1.TagNumericString, tagVisibleString:
		return string(b), utf8.Valid(b)
	case asn1.TagT61String: // which everybody takes for ISO 8859-1
		return fromUnits(b, 1)
	case asn1.TagBMPString:
		return fromUnits(b, 2)
	case tagUniversalString:
		return fromUnits(b, 4)
	}
	return "", false
}

const (
	tagVisibleString   = 26
	tagUniversalString = 28
)

// fromUnits decodes characters of size bytes each.
func fromUnits(b []byte, size int) (text string, ok bool) {
	if len(b)%size != 0 {
		return "", false
	}
	var runes []rune
	for ; len(b) > 0; b = b[size:] {
		r := uint32(0)
		for _, c := range b[:size] {
			r = r<<8 | uint32(c)
		}
		if r > utf8.MaxRune || utf16.IsSurrogate(rune(r)) {
			return "", false
		}
		runes = append(runes, rune(r))
	}
	return string(runes), true
}

// nameCN is the first common name in a name in DER, as mod_ssl takes it, with
// nothing escaped; "" if there is none.
func nameCN(der []byte) string {
	name, err := parseName(der)
	if err != nil {
		return ""
	}
	for _, set := range name {
		for k := range set {
			if text, ok := set[k].text(); ok && set[k].Type.String() == commonName {
				return text
			}
		}
	}
	return ""
}
