package ws

import (
	"crypto/sha1"
	"encoding/base64"
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

// Deflate is what a server answers to an offer of permessage-deflate: both sides
// forget their windows after each message.
const Deflate = "permessage-deflate; server_no_context_takeover; client_no_context_takeover"

// OffersDeflate reports whether the values of Sec-WebSocket-Extensions offer
// permessage-deflate in a way that Deflate answers (RFC 7692 section 7.1). An
// offer whose window for what the server sends is smaller than the usual is
// declined: the compressor has one size.
func OffersDeflate(extensions string) bool {
	for offer := range strings.SplitSeq(extensions, ",") {
		name, params, _ := strings.Cut(offer, ";")
		if strings.EqualFold(strings.TrimSpace(name), "permessage-deflate") && answerable(params) {
			return true
		}
	}
	return false
}

// answerable reports whether each parameter is known, there once, and can be
// granted.
func answerable(params string) bool {
	seen := map[string]bool{}
	for param := range strings.SplitSeq(params, ";") {
		name, value, has := strings.Cut(strings.TrimSpace(param), "=")
		name, value = strings.ToLower(strings.TrimSpace(name)), strings.Trim(strings.TrimSpace(value), `"`)
		switch {
		case name == "" && !has && params == "":
			return true
		case seen[name]:
			return false
		}
		seen[name] = true
		switch name {
		case "server_no_context_takeover", "client_no_context_takeover":
			if has {
				return false
			}
		case "client_max_window_bits":
			if has && !windowBits(value) {
				return false
			}
		case "server_max_window_bits":
			if value != "15" {
				return false
			}
		default:
			return false
		}
	}
	return true
}

func windowBits(value string) bool {
	switch value {
	case "8", "9", "10", "11", "12", "13", "14", "15":
		return true
	}
	return false
}
