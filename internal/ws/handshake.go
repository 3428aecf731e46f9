package ws

import (
	"crypto/sha1"
	"encoding/base64"
	"strconv"
	"strings"
)

// guid is what a server adds to a client's key (RFC 6455 section 1.3).
const guid = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"

// Accept is the value of Sec-WebSocket-Accept for a client's key.
func Accept(key string) string {
	sum := sha1.Sum([]byte(key + guid))
	return base64.StdEncoding.EncodeToString(sum[:])
}

// ValidKey reports whether a client's key is one: 16 bytes in base64.
func ValidKey(key string) bool {
	b, err := base64.StdEncoding.DecodeString(key)
	return err == nil && len(b) == 16
}

// fullWindow is the window of deflate if nothing else is agreed on, in bits.
const fullWindow = 15

// Negotiate answers the first offer of permessage-deflate that can be granted among
// the values of Sec-WebSocket-Extensions (RFC 7692 section 7.1). Both sides forget
// their windows after each message; window is, in bits, how far back what the server
// sends may refer. 0: there is no such offer.
func Negotiate(extensions string) (answer string, window int) {
	for offer := range strings.SplitSeq(extensions, ",") {
		name, params, _ := strings.Cut(offer, ";")
		if !strings.EqualFold(strings.TrimSpace(name), "permessage-deflate") {
			continue
		}
		asked, ok := serverWindow(params)
		if !ok {
			continue
		}
		answer = "permessage-deflate; server_no_context_takeover; client_no_context_takeover"
		if asked == 0 {
			return answer, fullWindow
		}
		return answer + "; server_max_window_bits=" + strconv.Itoa(asked), asked
	}
	return "", 0
}

// serverWindow returns the window that an offer asks for, 0 if it does not; not ok:
// a parameter is not known, there twice, or cannot be granted.
func serverWindow(params string) (window int, ok bool) {
	if params == "" {
		return 0, true
	}
	seen := map[string]bool{}
	for param := range strings.SplitSeq(params, ";") {
		name, value, has := strings.Cut(strings.TrimSpace(param), "=")
		name, value = strings.ToLower(strings.TrimSpace(name)), strings.Trim(strings.TrimSpace(value), `"`)
		if seen[name] {
			return 0, false
		}
		seen[name] = true
		bits := windowBits(value)
		switch name {
		case "server_no_context_takeover", "client_no_context_takeover":
			ok = !has
		case "client_max_window_bits":
			ok = !has || bits > 0
		case "server_max_window_bits":
			window, ok = bits, bits > 0
		default:
			ok = false
		}
		if !ok {
			return 0, false
		}
	}
	return window, true
}

// windowBits reads a window; 0: it is none.
func windowBits(value string) int {
	switch value {
	case "8", "9", "10", "11", "12", "13", "14", "15":
		bits, _ := strconv.Atoi(value)
		return bits
	}
	return 0
}
