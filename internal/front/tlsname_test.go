package front

import (
	"encoding/asn1"
	"strings"
	"testing"
)

// namePart is an attribute as tests write it: OID, tag of the string type, bytes.
type namePart struct {
	oid   string
	tag   int
	value string
}

const (
	oidCN, oidOU, oidO = "2.5.4.3", "2.5.4.11", "2.5.4.10"
	oidDC, oidMail     = "0.9.2342.19200300.100.1.25", "1.2.840.113549.1.9.1"
)

// nameDER makes a name of its relative parts, the first first.
func nameDER(t testing.TB, sets ...[]namePart) []byte {
	t.Helper()
	var name []attributeSET
	for _, parts := range sets {
		var set attributeSET
		for _, p := range parts {
			var oid asn1.ObjectIdentifier
			for field := range strings.SplitSeq(p.oid, ".") {
				n := 0
				for _, c := range field {
					n = 10*n + int(c-'0')
				}
				oid = append(oid, n)
			}
			set = append(set, attribute{oid, asn1.RawValue{Tag: p.tag, Bytes: []byte(p.value)}})
		}
		name = append(name, set)
	}
	der, err := asn1.Marshal(name)
	if err != nil {
		t.Fatal(err)
	}
	return der
}

func TestDistinguishedNames(t *testing.T) {
	utf := func(oid, value string) []namePart { return []namePart{{oid, asn1.TagUTF8String, value}} }
	for name, test := range map[string]struct {
		der  []byte
		want string
		cn   string
	}{
		"empty":                {nameDER(t), "", ""},
		"the last first":       {nameDER(t, utf("2.5.4.6", "KR"), utf(oidO, "Girin"), utf(oidCN, "me")), "CN=me,O=Girin,C=KR", "me"},
		"one CN":               {nameDER(t, utf(oidCN, "evil")), "CN=evil", "evil"},
		"two CNs":              {nameDER(t, utf(oidCN, "admin"), utf(oidCN, "evil")), "CN=evil,CN=admin", "admin"},
		"two in the other way": {nameDER(t, utf(oidCN, "evil"), utf(oidCN, "admin")), "CN=admin,CN=evil", "evil"},
		"two in one part": {nameDER(t, []namePart{{oidCN, asn1.TagUTF8String, "a"}, {oidOU, asn1.TagUTF8String, "b"}}, utf(oidO, "c")),
			"O=c,CN=a+OU=b", "a"},
		"a comma in a value": {nameDER(t, utf(oidCN, "evil,CN=admin")), `CN=evil\,CN=admin`, "evil,CN=admin"},
		"domain and mail": {nameDER(t, []namePart{{oidDC, asn1.TagIA5String, "org"}}, []namePart{{oidDC, asn1.TagIA5String, "example"}}, []namePart{{oidMail, asn1.TagIA5String, "a@example.org"}}),
			"emailAddress=a@example.org,DC=example,DC=org", ""},
		"specials":              {nameDER(t, utf(oidCN, `"a"+b<c>;\d`)), `CN=\"a\"\+b\<c\>\;\\d`, `"a"+b<c>;\d`},
		"spaces at its ends":    {nameDER(t, utf(oidCN, " a b ")), `CN=\ a b\ `, " a b "},
		"only a space":          {nameDER(t, utf(oidCN, " ")), `CN=\ `, " "},
		"a number sign":         {nameDER(t, utf(oidCN, "#a#")), `CN=\#a#`, "#a#"},
		"a line break":          {nameDER(t, utf(oidCN, "a\r\nX: y")), `CN=a\0D\0AX: y`, "a\r\nX: y"},
		"NUL":                   {nameDER(t, utf(oidCN, "a\x00b")), `CN=a\00b`, "a\x00b"},
		"an escape that is not": {nameDER(t, utf(oidCN, `a\0A`)), `CN=a\\0A`, `a\0A`},
		"Hangul":                {nameDER(t, utf(oidCN, "기린")), "CN=기린", "기린"},
		"not UTF-8":             {nameDER(t, utf(oidCN, "\xff")), "CN=#0c01ff", ""},
		"of two bytes each":     {nameDER(t, []namePart{{oidCN, asn1.TagBMPString, "\xae\x30\xb9\xb0"}}), "CN=기린", "기린"},
		"of four bytes each":    {nameDER(t, []namePart{{oidCN, tagUniversalString, "\x00\x01\xf9\x84"}}), "CN=\U0001f984", "\U0001f984"},
		"ISO 8859-1":            {nameDER(t, []namePart{{oidCN, asn1.TagT61String, "\xe9"}}), "CN=é", "é"},
		"a surrogate":           {nameDER(t, []namePart{{oidCN, asn1.TagBMPString, "\xd8\x00"}}), "CN=#1e02d800", ""},
		"an odd length":         {nameDER(t, []namePart{{oidCN, asn1.TagBMPString, "\xae\x30\xb9"}}), "CN=#1e03ae30b9", ""},
		"no string":             {nameDER(t, []namePart{{oidCN, asn1.TagInteger, "\x05"}}), "CN=#020105", ""},
		"a type without name":   {nameDER(t, utf("1.2.3.4", "a")), "1.2.3.4=#0c0161", ""},
		"no name at all":        {[]byte{5, 0}, "#0500", ""},
	} {
		if got := distinguishedName(test.der); got != test.want {
			t.Errorf("%s: got %s, want %s", name, got, test.want)
		}
		if got := nameCN(test.der); got != test.cn {
			t.Errorf("%s: the common name is %q, want %q", name, got, test.cn)
		}
	}
}

// FuzzDistinguishedName: different values never look the same, and nothing of
// a value gets out that could end a line.
func FuzzDistinguishedName(f *testing.F) {
	f.Add("evil", "admin", "evil,CN=admin")
	f.Add("a+OU=b", "a", "b\n")
	f.Fuzz(func(t *testing.T, a, b, c string) {
		one := func(values ...string) string {
			var sets [][]namePart
			for _, v := range values {
				sets = append(sets, []namePart{{oidCN, asn1.TagUTF8String, v}})
			}
			return distinguishedName(nameDER(t, sets...))
		}
		alone, two, three := one(c), one(a, b), one(a, b, c)
		if alone == two || two == three || alone == three || a != b && one(a) == one(b) {
			t.Fatalf("%q, %q, %q: different names look the same: %s, %s, %s", a, b, c, alone, two, three)
		}
		for _, ch := range []byte(three) {
			if ch < ' ' || ch == 0x7f {
				t.Fatalf("%q has a control character", three)
			}
		}
	})
}
