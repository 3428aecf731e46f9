package config

import (
	"errors"
	"strings"
)

// splitShell splits text into words as a POSIX shell does, without expansions: the form of
// GUNICORN_CMD_ARGS (Python's shlex.split).
func splitShell(text string) ([]string, error) {
	var words []string
	var word strings.Builder
	inWord := false
	for i := 0; i < len(text); i++ {
		c := text[i]
		switch c {
		case ' ', '\t', '\r', '\n':
			if inWord {
				words = append(words, word.String())
				word.Reset()
				inWord = false
			}
			continue
		case '\\':
			i++
			if i == len(text) {
				return nil, errors.New("it ends in a backslash")
			}
			word.WriteByte(text[i])
		case '\'':
			end := strings.IndexByte(text[i+1:], '\'')
			if end < 0 {
				return nil, errors.New("a single quote is not closed")
			}
			word.WriteString(text[i+1 : i+1+end])
			i += end + 1
		case '"':
			n, err := doubleQuoted(text[i+1:], &word)
			if err != nil {
				return nil, err
			}
			i += n
		default:
			word.WriteByte(c)
		}
		inWord = true
	}
	if inWord {
		words = append(words, word.String())
	}
	return words, nil
}

// doubleQuoted adds what follows an opening double quote to word, and returns its length with
// the closing one. A backslash only escapes a double quote and another backslash there.
func doubleQuoted(text string, word *strings.Builder) (int, error) {
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case c == '"':
			return i + 1, nil
		case c == '\\' && i+1 < len(text) && (text[i+1] == '"' || text[i+1] == '\\'):
			i++
			word.WriteByte(text[i])
		default:
			word.WriteByte(c)
		}
	}
	return 0, errors.New("a double quote is not closed")
}
