package front

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"math/big"
	"slices"
	"strings"
	"time"
)

// fact is an environ variable that all requests of a connection share.
type fact struct{ key, value string }

// tlsFacts are what an application is told of a connection's encryption, by the
// names of Apache's mod_ssl. Values may hold whatever a certificate or a
// client's greeting holds, NUL as well.
func tlsFacts(state *tls.ConnectionState) []fact {
	facts := []fact{
		{"HTTPS", "on"},
		{"SSL_PROTOCOL", protocolNames[state.Version]},
		{"SSL_CIPHER", cipherName(state.CipherSuite)},
		{"SSL_SESSION_RESUMED", resumedNames[state.DidResume]},
	}
	if state.ServerName != "" {
		facts = append(facts, fact{"SSL_TLS_SNI", state.ServerName})
	}
	if len(state.VerifiedChains) == 0 {
		return append(facts, fact{"SSL_CLIENT_VERIFY", "NONE"})
	}
	return append(facts, certificateFacts(state.PeerCertificates[0])...)
}

var (
	protocolNames = map[uint16]string{tls.VersionTLS12: "TLSv1.2", tls.VersionTLS13: "TLSv1.3"}
	resumedNames  = map[bool]string{false: "Initial", true: "Resumed"}
)

// certificateFacts tell of a client's certificate that was verified. Names are
// in the form of RFC 4514.
func certificateFacts(cert *x509.Certificate) []fact {
	return []fact{
		{"SSL_CLIENT_VERIFY", "SUCCESS"},
		{"SSL_CLIENT_S_DN", distinguishedName(cert.RawSubject)},
		{"SSL_CLIENT_S_DN_CN", nameCN(cert.RawSubject)},
		{"SSL_CLIENT_I_DN", distinguishedName(cert.RawIssuer)},
		{"SSL_CLIENT_M_SERIAL", serialNumber(cert.SerialNumber)},
		{"SSL_CLIENT_V_START", certificateTime(cert.NotBefore)},
		{"SSL_CLIENT_V_END", certificateTime(cert.NotAfter)},
	}
}

// serialNumber is in hexadecimal, as OpenSSL prints it: whole bytes, capitals.
func serialNumber(n *big.Int) string {
	text := strings.ToUpper(n.Text(16))
	if len(text)%2 == 1 {
		text = "0" + text
	}
	return text
}

func certificateTime(t time.Time) string { return t.UTC().Format("Jan _2 15:04:05 2006 GMT") }

// tlsExtension is what an ASGI application is told of a connection's encryption, in JSON
// (extension tls).
func tlsExtension(state *tls.ConnectionState, config *tls.Config) []byte {
	told := struct {
		ServerCert  string   `json:"server_cert"`
		ClientChain []string `json:"client_cert_chain"`
		ClientName  *string  `json:"client_cert_name"`
		ClientError *string  `json:"client_cert_error"`
		Version     uint16   `json:"tls_version"`
		CipherSuite uint16   `json:"cipher_suite"`
	}{
		ServerCert: pemOf(config.Certificates[0].Certificate[0]), ClientChain: []string{},
		Version: state.Version, CipherSuite: state.CipherSuite,
	}
	if len(state.VerifiedChains) > 0 {
		for _, cert := range state.VerifiedChains[0] { // what else it sent proves nothing, and may be long
			if slices.ContainsFunc(state.PeerCertificates, cert.Equal) {
				told.ClientChain = append(told.ClientChain, pemOf(cert.Raw))
			}
		}
		told.ClientName = new(distinguishedName(state.PeerCertificates[0].RawSubject))
	}
	b, _ := json.Marshal(&told) // nothing of it can fail
	return b
}

func pemOf(der []byte) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
}
