package accelerator_test

import (
	"bytes"
	"regexp"
	"testing"

	"girin/internal/shim/accelerator"
)

func TestBuildsAreSharedObjectsOfKnownTags(t *testing.T) {
	builds, err := accelerator.Builds()
	if err != nil {
		t.Fatal(err)
	}
	known := regexp.MustCompile(`^(cp3[0-9]{1,2}|abi3)$`)
	for tag, object := range builds {
		if !known.MatchString(tag) {
			t.Errorf("a build for %q", tag)
		}
		if !bytes.HasPrefix(object, []byte("\x7fELF")) {
			t.Errorf("%s: not an ELF file", tag)
		}
	}
}
