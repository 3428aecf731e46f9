package result

import "os"

// Replace writes a file beside its place and then moves it there: it is there whole or as it was, also where the disk is full.
func Replace(path string, text []byte) error {
	draft := path + ".new"
	err := os.WriteFile(draft, text, 0o666)
	if err == nil {
		err = os.Rename(draft, path)
	}
	if err != nil {
		os.Remove(draft)
	}
	return err
}
