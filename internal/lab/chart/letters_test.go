package chart

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/image/font/gofont/gomono"
)

// Letters that the own font lacks never become boxes: a system's font that has them is taken, else they are written in Latin.
func TestLettersThatTheFontLacks(t *testing.T) {
	f, err := loadFonts()
	if err != nil {
		t.Fatal(err)
	}
	defer f.close()
	f.folders = []string{filepath.Join(t.TempDir(), "none")}
	for text, want := range map[string]string{
		"sleep, p99": "sleep, p99", "기다림 12 ms": "gidarim 12 ms", "날씨": "nalssi", "값": "gap", "얽힘": "eokhim", "계산": "gyesan", "漢 ☃": "? ?", "é × µ": "é × µ",
	} {
		for _, bold := range []bool{false, true} {
			which, got := f.of(text, bold)
			if got != want || (which == f.bold) != bold || lacks(which, got) != "" {
				t.Errorf("%q is drawn as %q, want %q", text, got, want)
			}
		}
	}
}

func TestFindFont(t *testing.T) {
	dir := t.TempDir()
	for name, data := range map[string][]byte{"NanumGothic.ttf": gomono.TTF, "NotoSansKR-Broken.otf": []byte("no font"), "Other.ttf": gomono.TTF} {
		if err := os.MkdirAll(filepath.Join(dir, "truetype"), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, "truetype", name), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if findFont([]string{filepath.Join(dir, "none"), dir}, "a é") == nil {
		t.Error("a font that has the letters is not found")
	}
	if findFont([]string{dir}, "가") != nil {
		t.Error("one without Hangul is taken for Hangul")
	}
	for name, want := range map[string]bool{"NotoSansCJK-Regular.ttc": true, "NotoSansCJKkr-Regular.otf": true, "NanumBarunGothic.ttf": true, "UnDotum.ttf": true,
		"malgun.ttf": true, "AppleSDGothicNeo.ttc": true, "Pretendard-Regular.otf": true, "DejaVuSans.ttf": false, "NanumGothic.txt": false} {
		if fontNames.MatchString(name) != want {
			t.Errorf("%s: %v", name, !want)
		}
	}
}

// A chart with Hangul is painted.
func TestPNGWithHangul(t *testing.T) {
	rows := Rows{Title: "날씨", Unit: "ms", Rows: []Row{{Label: "기다림", Bar: Bar{Value: 3, Class: "sync"}, Text: "3"}}}
	var b bytes.Buffer
	if err := rows.Draw().PNG(&b); err != nil || b.Len() == 0 {
		t.Errorf("%v, %d bytes", err, b.Len())
	}
}
