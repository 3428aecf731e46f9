package http1

// Kind names the fields that a server itself must understand, in requests and
// in an application's responses. Every other field is KindOther.
type Kind uint8

const (
	KindOther Kind = iota
	KindConnection
	KindContentLength
	KindContentType
	KindCookie
	KindDate
	KindExpect
	KindHost
	KindKeepAlive
	KindProxyAuthenticate
	KindProxyAuthorization
	KindProxyConnection
	KindServer
	KindTE
	KindTrailer
	KindTransferEncoding
	KindUpgrade
)

// KindOf looks a field name up, in any case. The length decides between at
// most three names, so that most fields cost one or no comparison.
func KindOf[T bytestring](name T) Kind {
	switch len(name) {
	case 2:
		return match(name, "te", KindTE)
	case 4:
		return match(name, "host", KindHost) | match(name, "date", KindDate)
	case 6:
		return match(name, "expect", KindExpect) | match(name, "cookie", KindCookie) | match(name, "server", KindServer)
	case 7:
		return match(name, "upgrade", KindUpgrade) | match(name, "trailer", KindTrailer)
	case 10:
		return match(name, "connection", KindConnection) | match(name, "keep-alive", KindKeepAlive)
	case 12:
		return match(name, "content-type", KindContentType)
	case 14:
		return match(name, "content-length", KindContentLength)
	case 16:
		return match(name, "proxy-connection", KindProxyConnection)
	case 17:
		return match(name, "transfer-encoding", KindTransferEncoding)
	case 18:
		return match(name, "proxy-authenticate", KindProxyAuthenticate)
	case 19:
		return match(name, "proxy-authorization", KindProxyAuthorization)
	}
	return KindOther
}

func match[T bytestring](name T, lowered string, k Kind) Kind {
	if equalFold(name, lowered) {
		return k
	}
	return KindOther
}

// IsHopByHop reports whether a field speaks of the connection and not of the
// message (RFC 9110 section 7.6.1): PEP 3333 forbids these to applications.
func IsHopByHop(k Kind) bool {
	switch k {
	case KindConnection, KindKeepAlive, KindProxyAuthenticate, KindProxyAuthorization,
		KindProxyConnection, KindTE, KindTrailer, KindTransferEncoding, KindUpgrade:
		return true
	}
	return false
}
