package pattern

import "testing"

func TestMatch(t *testing.T) {
	for _, test := range []struct {
		pattern, method, path string
		want                  bool
	}{
		{"*", "GET", "/", true},
		{"/upload", "POST", "/upload", true},
		{"/upload", "POST", "/upload/x", false},
		{"/upload/*", "POST", "/upload/a/b", true},
		{"/upload/*", "POST", "/uploads", false},
		{"POST /upload/*", "POST", "/upload/a", true},
		{"post /upload/*", "POST", "/upload/a", true},
		{"POST /upload/*", "PUT", "/upload/a", false},
		{"/a/*/c", "GET", "/a/b/c", true},
		{"/a/*/c", "GET", "/a/b/d", false},
		{"/a*b*a", "GET", "/aba", true},
		{"/a*a", "GET", "/a", false},
		{"*.pdf", "GET", "/x.pdf", true},
		{"/*ab*ab", "GET", "/ab", false},
	} {
		set, err := Parse([]string{"/other", test.pattern})
		if err != nil {
			t.Fatal(err)
		}
		if got := set.Match([]byte(test.method), []byte(test.path)); got != test.want {
			t.Errorf("%q and %s %s: %v", test.pattern, test.method, test.path, got)
		}
	}
	for _, text := range []string{"", " ", "upload", "POST", "POST upload", "GET /a b", "GET  "} {
		if _, err := Parse([]string{text}); err == nil {
			t.Errorf("%q is no pattern", text)
		}
	}
	if (Set{}).Match([]byte("GET"), []byte("/")) {
		t.Error("no pattern matches nothing")
	}
}
