package chart

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"unicode"

	"golang.org/x/image/font/opentype"
	"golang.org/x/image/font/sfnt"
)

// What a PNG's text is set in: Go's own font, which lies in the binary and has no Hangul; where a text has letters that it
// lacks, a font of the system's that has them; and where there is none, Hangul in Latin letters, and ? for the rest. No text
// becomes boxes. SVG and HTML leave all of this to the browser.

// fontNames are those of fonts with Hangul, as their files are called on Debian, Fedora, macOS and Windows.
var fontNames = regexp.MustCompile(`(?i)^(noto ?sans ?(mono ?)?(cjk|kr)|nanum ?(gothic|barun)|source ?han ?sans|pretendard|un ?dotum|un ?batang|baekmuk|` +
	`apple ?sd ?gothic|applegothic|malgun|droidsansfallback|spoqa|unifont).*\.(ttf|otf|ttc|otc)$`)

// fontFolders are where systems keep fonts.
func fontFolders() []string {
	home, _ := os.UserHomeDir()
	switch runtime.GOOS {
	case "darwin":
		return []string{"/System/Library/Fonts", "/Library/Fonts", filepath.Join(home, "Library/Fonts")}
	case "windows":
		return []string{filepath.Join(os.Getenv("WINDIR"), "Fonts")}
	}
	return []string{filepath.Join(home, ".local/share/fonts"), filepath.Join(home, ".fonts"), "/usr/local/share/fonts", "/usr/share/fonts"}
}

// findFont finds a font in folders that has all of the letters; nil if there is none.
func findFont(folders []string, letters string) *opentype.Font {
	var found *opentype.Font
	for _, folder := range folders {
		_ = filepath.WalkDir(folder, func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() || !fontNames.MatchString(d.Name()) {
				return nil
			}
			if f := readFont(path); f != nil && lacks(f, letters) == "" {
				found = f
				return fs.SkipAll
			}
			return nil
		})
		if found != nil {
			return found
		}
	}
	return nil
}

// largestFont bounds what is read: CJK collections have 20 to 30 MB.
const largestFont = 64 << 20

// readFont reads a font, or the first one of a collection; nil if it cannot.
func readFont(path string) *opentype.Font {
	info, err := os.Stat(path)
	if err != nil || info.Size() > largestFont {
		return nil
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return nil
	}
	all, err := opentype.ParseCollection(data)
	if err != nil {
		return nil
	}
	first, err := all.Font(0)
	if err != nil {
		return nil
	}
	return first
}

// lacks are the letters that a font does not have.
func lacks(f *opentype.Font, text string) string {
	var buf sfnt.Buffer
	return strings.Map(func(r rune) rune {
		if i, err := f.GlyphIndex(&buf, r); err == nil && i > 0 || unicode.IsSpace(r) {
			return -1
		}
		return r
	}, text)
}

// Jamo of a syllable in Latin letters, as the Revised Romanization of Korean writes each of them.
var (
	initials = strings.Split("g,kk,n,d,tt,r,m,b,pp,s,ss,,j,jj,ch,k,t,p,h", ",")
	vowels   = strings.Split("a,ae,ya,yae,eo,e,yeo,ye,o,wa,wae,oe,yo,u,wo,we,wi,yu,eu,ui,i", ",")
	finals   = strings.Split(",k,k,k,n,n,n,t,l,k,m,l,l,l,p,l,m,p,p,t,t,ng,t,t,k,t,p,t", ",")
)

const (
	firstSyllable = '가'
	lastSyllable  = '힣'
)

// inLatin writes the letters that are lacking in Latin ones.
func inLatin(text, lacking string) string {
	var b strings.Builder
	for _, r := range text {
		switch {
		case !strings.ContainsRune(lacking, r):
			b.WriteRune(r)
		case r >= firstSyllable && r <= lastSyllable:
			i := int(r - firstSyllable)
			b.WriteString(initials[i/(len(vowels)*len(finals))] + vowels[i/len(finals)%len(vowels)] + finals[i%len(finals)])
		default:
			b.WriteByte('?')
		}
	}
	return b.String()
}
