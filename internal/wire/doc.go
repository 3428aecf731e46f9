// Package wire is the protocol between the master and a Python worker: how
// requests, responses and control messages look as bytes. It only encodes and
// decodes; it owns no descriptor. This comment is the specification; the
// Python half is internal/shim/_girin_shim/wire.py, and both read the golden
// frames in testdata.
//
// All integers are little-endian. Times are nanoseconds of CLOCK_MONOTONIC,
// which master and workers share.
//
// # What a worker inherits
//
//	fd 3  control socket   SOCK_SEQPACKET, one message per packet, both ways
//	fd 4  response socket  SOCK_STREAM: frames of answers to the master; to the worker
//	                       WebSockets that it shall open, and what comes for them
//	fd 5  state page       memfd of this worker, mapped by it and the master
//	fd 6  arena            memfd of the master, mapped by all workers
//	fd 7  shim             memfd with the shim's sources
//	fd 8+ lanes            read ends of the packet pipes, one per lane
//	then  accelerators     sealed memfds, each a build of the shim's inner loop
//	                       in C; Hello names the descriptor of each by its tag
//
// # Request: one packet on a lane
//
// A packet is at most MaxPacket (4,096 = PIPE_BUF) bytes, so its write is
// atomic, and one read returns exactly one packet. The 32-byte head:
//
//	 0  u8   form      1: environ as NUL-joined strings; 2: with lengths
//	 1  u8   flags     Quick 1, Slow 2, InArena 4, Spooled 8, MeasureCPU 16,
//	                   Upgrade 32, Streamed 64
//	 2  u8   base      index of the base environ (one per listener)
//	 3  u8   reserved  zero
//	 4  u32  window    body bytes that may be sent before credit is needed
//	 8  u64  id        low 16 bits: its cell in the flag table
//	16  u32  environ   length of the environ block
//	20  u32  body      length of the inline body that follows the block
//	24  u64  at        with InArena: where block and body lie in the arena
//
// Without InArena the block and the body follow the head in the packet.
//
// Form 1: key NUL value NUL key NUL value ... without a last NUL; latin-1. An
// even number of strings, or the worker ends. Form 2, taken when a value holds
// a NUL (it would otherwise inject keys): a u32 length before each string.
//
// Quick: the route is known to be quick; finished responses may wait for this
// one's. Without it they are flushed before the app is called. Slow: the
// thread gives up leadership before it runs the app. Spooled: the body lies in
// a file; the worker asks for it with a Fetch frame and gets a Body message.
//
// The flag table is the first FlagTable (65,536) bytes of the arena, one byte
// per cell: not zero means that nobody waits for this request any more. The
// worker looks before it runs what it read (and then answers Dropped), and
// again before each block.
//
// # Response: frames on the response socket
//
// A 36-byte head, then head bytes, then body bytes:
//
//	 0  u64  id
//	 8  u64  began     when a thread began the request
//	16  u32  service   microseconds from then to this frame; of Text and Binary what a Taken
//	                   after it would say, or 0
//	20  u32  cpu       thread CPU microseconds, or 0xffffffff: not measured; of a task of an
//	                   event loop how long its steps held that, and the CPU of its threads
//	24  u32  head      length of the head block
//	28  u32  body      length of the body bytes
//	32  u8   kind
//	33  u8   flags     Final 1, Whole 2, InPage 4
//	34  u16  fields    number of header fields in the head block
//
//	kind  1 Response  head block and body bytes: the first frame of an answer
//	      2 Block     more body bytes; one that is Final and has none may have a head block:
//	                  its fields are the trailers, its status says nothing
//	      3 Early     head block of an informational answer (status 103)
//	      4 Dropped   the request was cancelled before it ran
//	      5 Failed    the app failed: before the head the client gets a 500,
//	                  after it the connection is cut
//	      6 Fetch     the worker wants the spooled body
//	      7 Accept    of a WebSocket: head block of the 101
//	      8 Text      a whole message, UTF-8
//	      9 Binary    a whole message
//	     10 Close     the socket ends: u16 code, then at most 123 bytes of reason; Final
//	     11 Taken     u32 n: the application has done with messages that counted for n: it
//	                  asks for the next
//
// Head block: status NUL name NUL value NUL name NUL value ... without a last
// NUL; 1 + 2*fields strings. Final: this is the last the client gets; the id
// may be used again. Dropped and Failed are always final. Whole (with
// Response and Final): the body is complete in this frame, so its length may be
// declared. InPage: the body bytes lie in the state page, and in their place
// follows a u32: the unit where they begin. Answers to HEAD and those of status 204 and 304 have no body bytes
// and are never Whole. After Final the worker may still run the iterable's
// close().
//
// At most the request's window of body bytes is sent before the master grants
// more with Credit. Final frames without body bytes need none.
//
// One answer is: Early frames; then a Response, and after one that is not Final Blocks,
// of which the last is Final. One Fetch may come at any time before the end. Failed may
// take the place of any of them, Dropped only that of the first, and only if the flag
// is set. Whoever sends anything else, or a frame for a request that it has not read or
// another worker has begun, is ended. Only an Early, a Fetch or a Taken that comes too
// late is left out. Who sends a frame that is not Final for a request that nobody waits for
// gets a Credit that says so, and a Fetch is answered by that or by Body.
//
// # WebSocket
//
// A request with the flag Upgrade asks for one. It is accepted (Accept, then Text,
// Binary and Taken, at last Close), or denied by an answer like any other. The
// front speaks the protocol: no ping, fragment or mask comes here. A message may be
// sent while any of the window is left, and may then be longer than that; Credit
// comes as for bodies. Once it is accepted, frames come on the response socket.
//
// # What event loops are told on the response socket
//
// A 20-byte head, then bytes:
//
//	 0  u64  id
//	 8  u32  length    of the bytes
//	12  u32  reserved
//	16  u8   kind
//	17  u8   reserved
//	18  u16  code
//
//	kind  1 Open      the bytes are a packet as on a lane: a request for a WebSocket that
//	                  this worker shall take, also after it has stopped to read lanes. Only
//	                  event loops get it. What it has not counted in its page when it ends
//	                  is given to another
//	      3 Text      a whole message, UTF-8
//	      4 Binary    a whole message
//	      5 Gone      the client has left or the server closes: code is that of the
//	                  close frame (1005: it had none; 1006: there was none), the bytes
//	                  are its reason. It is the last
//	      6 Credited  u32 n: as Credit on the control socket, but for its word that a
//	                  request was cancelled. A loop reads it itself, and needs no other
//	                  thread for that
//
// Each message counts for its length and MessageCost (256). The front reads no more
// of a client when --ws-max-queue of that is not Taken. The frames of a
// client that left before Accept are not sent; a Gone is, in place of Credit's word
// that it was cancelled. After Gone the worker still ends the id, with Close.
//
// A request for WSGI with the flags Upgrade and Streamed may become one, too: what a
// Fetch brings is a socket, which stands for the client's. If the application writes on
// it, nothing of its answer reaches anybody, and the socket's end is that of the
// connection.
//
// # Control messages
//
// A 16-byte head, then a payload:
//
//	 0  u8   kind
//	 1  u8   reserved, three bytes
//	 4  u32  n
//	 8  u64  id
//
//	master to worker:
//	 1 Hello    payload: settings as JSON
//	 2 Credit   request id may send n more bytes; n = 0xffffffff: look at
//	            the flag table, it was cancelled. Event loops get only that, others
//	            both
//	 3 Promote  a busy leader sends what it has finished and gives up
//	            leadership
//	 4 Drain    stop reading the lanes; finish what runs; end with exit code 0,
//	            within n milliseconds (0: the setting graceful_timeout)
//	 5 Body     the spooled body of id: one descriptor; payload u64 length
//	 6 Ping     answer with Pong n
//	 7 Dump     answer with Stacks: id's stack first (0: no one's), then all
//	 8 Lanes    read the lanes whose bit is set in n (zero: none, as before
//	            the first such message)
//	 9 Fork     to a template only: fork a worker; the descriptors that it
//	            inherits from 3 on come with the message; payload: nothing, or
//	            JSON, what a pre_fork hook has done elsewhere
//	10 Term     the server ends, or this worker is to: the worker calls the app's own
//	            handler of SIGTERM, if it has one, and reads on until Drain
//
//	worker to master:
//	65 Ready    payload: facts as JSON; the app is imported
//	66 Broken   payload: JSON {code, text}; the app cannot be served
//	67 Log      n: Python's logging level, or 0: the app wrote this to
//	            wsgi.errors, or 1: it wrote this to standard error, and it is
//	            only for those who ask about the job id; payload: text, UTF-8.
//	            id: the request that it is about, if that is a job; else 0
//	68 Pong     n as in Ping
//	69 File     payload: u64 offset, u64 length, a response head of 36 bytes
//	            (kind Response, Final) and its head block; one descriptor, of a
//	            regular file: the body
//	70 Idle     nothing is being run and, after Drain, nothing will be
//	71 Stacks   payload: text, UTF-8
//	72 Retire   the worker wants to be replaced: it got SIGTERM, or a hook said so; with
//	            n 1 it has read the last packet of its lifetime; with n 2 it
//	            reads no more since it got INT or QUIT
//	73 Forked   of a template only: the worker's process id is n; 0: the
//	            payload says why there is none
//	74 Held     something has held the worker's event loop up for n milliseconds;
//	            payload: the request's method and path, if that is known, and on
//	            further lines where it stands
//
// Hello's accelerators maps tags to descriptors: cp311 is built for CPython 3.11,
// abi3 for the stable ABI from 3.12 on. The worker loads the one that fits, if
// any, before it imports the app, and closes them all. Ready says which: its
// accelerator is the tag, or empty, and then no_accelerator is the reason.
//
// A message that does not parse ends the worker, never the master.
//
// A worker that does not answer Dump soon gets the signal that its Ready named
// (dump_signal): its faulthandler writes all stacks to standard error without
// Python's help.
//
// # A template
//
// With preload_app workers are forked from a template, a process that has a control
// socket and keeps the numbers of the others free. It gets Hello, imports the app,
// and says Ready or Broken; then it answers each Fork. The worker's parent is the
// master (PR_SET_CHILD_SUBREAPER) from before Forked on; its own Hello comes on its
// own control socket. The template ends with its socket. With a configuration file
// templates, or without preload_app the workers, are forked from the arbiter, whose
// messages are not this protocol's (see arbiter.py).
//
// # State page
//
// Cells of u64. Cell 0: PageMagic; 1: number of slots; 2: number of units; of an
// event loop 3: how long it was held up at most of late, in ns; 4: its tasks; 5: since
// when a step of a request has held it, 0: none does; 6: how many of the Opens that it
// was sent it has begun, in their order; 8: since when it has owed a sign of life, 0: it
// owes none; 9: how many calls want a thread of its process, times 2^32, and how many
// threads there may be. 7: 1 if its Python has no GIL, so that its threads compute at
// once; it may become 0. 10: the master writes 1 before a QUIT of its own: what runs is
// not waited for. 11 to 15: reserved. From cell 16 on two cells per slot: the id that
// the thread runs (0: none) and when it began. A thread writes the time first and the id after it, and
// zeroes the id when it has called close(). A sync or gthread worker has a slot per
// thread, a gevent worker one per connection, gaiohttp one.
//
// After the slots comes a cell per unit; from the next multiple of 4,096 bytes
// on lie the units, of PageUnit bytes each. A worker may put the body of a frame
// there instead of on the socket. It takes as many free units as the body needs,
// one after another, by writing their number into the cell of the first; the
// others' cells stay zero. The master frees them when it has passed the body on,
// by zeroing that cell. No worker has to: it saves two copies through the kernel.
package wire
