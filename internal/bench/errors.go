package bench

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"syscall"

	"golang.org/x/net/http2"
)

// ErrorKind says how a request failed.
type ErrorKind uint8

// The kinds, in the order of reports. Succeeded is the kind of a success.
const (
	Succeeded    ErrorKind = iota
	ErrConnect             // no connection
	ErrTLS                 // no TLS session, or a certificate that is not trusted
	ErrTimeout             // not done within Options.Timeout
	ErrReset               // the server reset the connection, or the stream of HTTP/2
	ErrEOF                 // the connection ended before the first byte of the response
	ErrTruncated           // the connection ended in the middle of the response
	ErrMalformed           // the response breaks HTTP
	ErrStatus              // a whole response, with a status that is not expected
	ErrRedirect            // a redirect that cannot be followed
	ErrCheck               // a response that a check refuses, or that has nothing to capture
	ErrOther
	errorKinds
)

func (k ErrorKind) String() string {
	return [errorKinds]string{"ok", "connect", "tls", "timeout", "reset", "eof", "truncated", "malformed", "status",
		"redirect", "check", "other"}[k]
}

// errEOF is the error of a connection that ended where a response should have begun.
var errEOF = errors.New("the server closed the connection instead of responding")

// forceClosed is what net/http says to the other streams of an HTTP/2 connection on which one
// could not be written any more. Its error has no name.
const forceClosed = "http2: client connection force closed"

// kindOf finds the kind of what went wrong on an open connection.
func kindOf(err error) ErrorKind {
	var m malformed
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded), errors.Is(err, context.DeadlineExceeded):
		return ErrTimeout
	case errors.As(err, &m):
		return ErrMalformed
	case errors.Is(err, errTruncated):
		return ErrTruncated
	case errors.Is(err, errEOF), errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), err != nil && strings.Contains(err.Error(), forceClosed):
		return ErrEOF
	case errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE), errors.As(err, new(http2.StreamError)):
		return ErrReset
	}
	return ErrOther
}

// kindOfDial finds the kind of what went wrong while connecting.
func kindOfDial(err error) ErrorKind {
	var timeout net.Error
	var upgrade *upgradeError
	switch {
	case errors.As(err, new(*tlsError)):
		return ErrTLS
	case errors.As(err, &upgrade):
		return upgrade.kind
	case errors.As(err, &timeout) && timeout.Timeout():
		return ErrTimeout
	}
	return ErrConnect
}

// tlsError is a failed handshake.
type tlsError struct{ err error }

func (e *tlsError) Error() string {
	switch {
	case errors.As(e.err, new(*tls.CertificateVerificationError)):
		return "TLS: " + e.err.Error() + "; --insecure accepts any certificate"
	case errors.Is(e.err, context.DeadlineExceeded):
		return "TLS: the server did not finish the handshake in time"
	}
	return "TLS: " + e.err.Error()
}

func (e *tlsError) Unwrap() error { return e.err }
