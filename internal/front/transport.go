package front

import "girin/internal/http1"

// transport carries one answer to its client, in one version of HTTP. What the
// answer is, how long it may be, who is told how much was taken, and how it
// fails is the exchange's to decide (writer.go), so that it is decided once.
//
// The methods are called under the connection's lock, most often on the
// goroutine that reads a worker: none of them waits, and none keeps the slices
// it gets.
type transport interface {
	headEncoder

	// sendLocked passes on the bytes of a head and of the body, of which
	// both may be empty; the answer is whole with it if last is set. The
	// room behind head is the transport's to use.
	sendLocked(head, body []byte, last bool)
	// trailLocked says which fields, encoded one after the other, follow the body
	// that ends next. Where its end cannot have any they are left out.
	trailLocked(fields []byte)
	// sendFileLocked passes on a head and then a file's part, with which the
	// answer is whole. It closes the file.
	sendFileLocked(head []byte, body *fileBody)
	// waitingLocked is how many bytes of answers the client has not taken.
	waitingLocked() int
	// outrunLocked says that the application has more to send, and the client
	// has not taken what there is: it may go where no thread waits for it.
	outrunLocked()
	// goneLocked reports whether nothing can be sent any more.
	goneLocked() bool
	// cutLocked ends the answer so that its client sees that it is not whole.
	cutLocked()
	// givenLocked says that all of the answer is with the transport, or that
	// nobody is there to take it. When the client's side has it the transport
	// calls exchange.ended, once.
	givenLocked()
	// abortLocked gives the client up; it will be gone.
	abortLocked()
}

// headEncoder encodes the head of a response: its status, its fields one after
// the other, and its end. A head whose end was not appended is not sent.
type headEncoder interface {
	// appendStatus begins a head; status is "200 OK", code its number.
	appendStatus(b []byte, code int, status []byte) []byte
	appendField(b, name, value []byte, kind http1.Kind) []byte
	appendServer(b []byte) []byte
	appendDate(b []byte) []byte
	appendLength(b []byte, n int64) []byte
	// appendEndless says that only the body's end tells how long it is.
	appendEndless(b []byte) []byte
	// appendEnd ends a head; one that is interim is not the response's.
	appendEnd(b []byte, interim bool) []byte
}
