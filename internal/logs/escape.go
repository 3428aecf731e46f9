package logs

const hexDigits = "0123456789abcdef"

// appendText adds text that came from outside, or a dash where there is none.
func appendText(dst, text []byte) []byte {
	if len(text) == 0 {
		return append(dst, '-')
	}
	return appendEscaped(dst, text)
}

// appendEscaped adds text so that it can neither end the line nor the quotes around it, nor
// reach a terminal: quotes and backslashes get a backslash, all that is not printable ASCII
// becomes \xNN, as in Apache's log.
func appendEscaped(dst, text []byte) []byte {
	plain := 0
	for i, c := range text {
		if c >= ' ' && c < 0x7f && c != '"' && c != '\\' {
			continue
		}
		dst = append(dst, text[plain:i]...)
		plain = i + 1
		if c == '"' || c == '\\' {
			dst = append(dst, '\\', c)
		} else {
			dst = append(dst, '\\', 'x', hexDigits[c>>4], hexDigits[c&15])
		}
	}
	return append(dst, text[plain:]...)
}
