package bench

import (
	"bytes"
	"encoding/csv"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func reportResult(t *testing.T) *Result {
	url := serve(t, always("HTTP/1.1 200 OK\r\nX-Begin: 1, \"2\"\r\nContent-Length: 5\r\n\r\nhello"))
	res := mustRun(t, url+"/?a=</script>&b=1", Options{Requests: 50, Clients: 5, CaptureHeaders: []string{"X-Begin"}})
	Guard{SLO: SLOSpec{{text: "rps>0", metric: "rps"}}}.Judge(res)
	return res
}

func TestResultSurvivesJSON(t *testing.T) {
	res := reportResult(t)
	path := filepath.Join(t.TempDir(), "r.json")
	var first, second bytes.Buffer
	if err := res.WriteJSON(&first); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, first.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	back, err := ReadResult(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := back.WriteJSON(&second); err != nil || !bytes.Equal(first.Bytes(), second.Bytes()) {
		t.Errorf("%v; written %s, read and written %s", err, &first, &second)
	}
	other := bytes.Replace(first.Bytes(), []byte(`"version": 1`), []byte(`"version": 99`), 1)
	if err := os.WriteFile(path, other, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := ReadResult(path); err == nil || !strings.Contains(err.Error(), "version 99") {
		t.Errorf("version 99: %v", err)
	}
}

func TestCSVHasALinePerRequest(t *testing.T) {
	var b bytes.Buffer
	if err := reportResult(t).WriteCSV(&b); err != nil {
		t.Fatal(err)
	}
	rows, err := csv.NewReader(&b).ReadAll()
	if err != nil || len(rows) != 51 {
		t.Fatalf("%d rows, %v", len(rows), err)
	}
	for _, row := range rows[1:] {
		if row[1] != "200" || row[2] != "" || row[13] != `1, "2"` {
			t.Errorf("%q", row)
		}
	}
}

// The page works without a network, and nothing that a server or a command line says can leave its place in it.
func TestPageIsSelfContained(t *testing.T) {
	var b strings.Builder
	if err := reportResult(t).WriteHTML(&b); err != nil {
		t.Fatal(err)
	}
	page := b.String()
	if n := strings.Count(page, "</script>"); n != 2 { // uPlot and the page's own
		t.Errorf("%d ends of scripts", n)
	}
	for _, outside := range []string{"src=", "<link", "@import", "url("} {
		if strings.Contains(page, outside) {
			t.Errorf("the page has %q", outside)
		}
	}
}

func TestHDRFile(t *testing.T) {
	var b strings.Builder
	if err := reportResult(t).WriteHDR(&b); err != nil {
		t.Fatal(err)
	}
	if s := b.String(); !strings.Contains(s, "Percentile") || !strings.Contains(s, "Total count") {
		t.Errorf("%s", s)
	}
}

func TestParseTarget(t *testing.T) {
	for line, want := range map[string]Target{
		"http://h/p":          {URL: "http://h/p"},
		"h:80/p":              {URL: "http://h:80/p"},
		"3=HEAD http://h/a=b": {URL: "http://h/a=b", Weight: 3, Method: "HEAD"},
		"PUT http://h/":       {URL: "http://h/", Method: "PUT"},
	} {
		got, socket, err := ParseTarget(line, Target{})
		if err != nil || socket != "" || got.URL != want.URL || got.Weight != want.Weight || got.Method != want.Method {
			t.Errorf("%q: %+v, %q, %v", line, got, socket, err)
		}
	}
	got, socket, err := ParseTarget("http+unix://%2Frun%2Fs/x?y", Target{})
	if err != nil || socket != "/run/s" || got.URL != "http://localhost/x?y" {
		t.Errorf("%+v, %q, %v", got, socket, err)
	}
	for _, line := range []string{"0=http://h/", "99999999999999999999=http://h/", "http+unix:///x", "http+unix://%zz/x", "unix:/run/s", "unix:///run/s"} {
		if _, _, err := ParseTarget(line, Target{}); err == nil {
			t.Errorf("%q: no error", line)
		}
	}
}

// Whatever the command line says, the request that is sent has one head, which ends where it should.
func FuzzRequest(f *testing.F) {
	f.Add("3=PUT http://h/p?q", "A: b", "body")
	f.Add("http+unix://%2Fs/x", "Host: y", "")
	f.Fuzz(func(t *testing.T, line, header, body string) {
		field, err := ParseField(header)
		if err != nil {
			return
		}
		target, _, err := ParseTarget(line, Target{Header: []Field{field}, Body: []byte(body)})
		if err != nil {
			return
		}
		r, err := newRequest(target, false)
		if err != nil {
			return
		}
		head, rest, ok := strings.Cut(string(r.bytes), "\r\n\r\n")
		if !ok || rest != body || strings.Count(head, "\n") != strings.Count(head, "\r\n") {
			t.Errorf("%q", r.bytes)
		}
		if first, _, _ := strings.Cut(head, "\r\n"); strings.Count(first, " ") != 2 {
			t.Errorf("request line %q", first)
		}
	})
}
