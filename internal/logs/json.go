package logs

import (
	"strconv"
	"unicode/utf8"
)

// appendJSON adds the whole record as one JSON object. What is absent is left out.
func appendJSON(dst []byte, r *AccessRecord, c *clock) []byte {
	f := r.fields()
	dst = append(dst, `{"time":"`...)
	dst = r.Time.UTC().AppendFormat(dst, "2006-01-02T15:04:05.000Z07:00")
	dst = append(dst, '"')
	dst = appendJSONText(dst, "remote_addr", r.RemoteAddr)
	dst = appendJSONText(dst, "user", basicUser(f.RequestHeader("authorization")))
	dst = appendJSONText(dst, "method", r.Method)
	dst = appendJSONText(dst, "uri", r.URI)
	dst = appendJSONText(dst, "protocol", r.Proto)
	dst = strconv.AppendInt(append(dst, `,"status":`...), int64(r.Status), 10)
	dst = strconv.AppendInt(append(dst, `,"bytes":`...), r.Sent, 10)
	dst = appendSeconds(append(dst, `,"seconds":`...), r, c)
	dst = appendJSONText(dst, "host", f.RequestHeader("host"))
	dst = appendJSONText(dst, "referer", f.RequestHeader("referer"))
	dst = appendJSONText(dst, "user_agent", f.RequestHeader("user-agent"))
	dst = strconv.AppendInt(append(dst, `,"pid":`...), int64(r.PID), 10)
	return append(dst, '}')
}

func appendJSONText(dst []byte, key string, text []byte) []byte {
	if len(text) == 0 {
		return dst
	}
	dst = append(append(append(dst, ',', '"'), key...), '"', ':', '"')
	return append(appendJSONEscaped(dst, text), '"')
}

// appendJSONEscaped adds text as the inside of a JSON string (RFC 8259, section 7). Bytes that
// are no UTF-8 are taken as latin-1, which is what a field's value is in WSGI.
func appendJSONEscaped(dst, text []byte) []byte {
	for len(text) > 0 {
		c := text[0]
		switch {
		case c == '"' || c == '\\':
			dst = append(dst, '\\', c)
		case c < ' ' || c == 0x7f:
			dst = append(dst, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&15])
		case c < utf8.RuneSelf:
			dst = append(dst, c)
		default:
			r, size := utf8.DecodeRune(text)
			if r == utf8.RuneError && size == 1 {
				r = rune(c)
			}
			dst = utf8.AppendRune(dst, r)
			text = text[size:]
			continue
		}
		text = text[1:]
	}
	return dst
}
