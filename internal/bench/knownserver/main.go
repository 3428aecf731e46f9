// Command knownserver is what load generators are compared on: a raw HTTP/1.1 server that spends as little as it can, and
// whose latencies are known because it makes them. It is no part of girin.
//
//	/         at once
//	/fixed    20 ms
//	/bimodal  10 ms, and each eighth request 100 ms
//	/stall    2 ms, but two seconds after its first request nothing is answered for 500 ms
//	/taken    percentiles of what requests for the three above have really taken, of which it then begins anew:
//	          a timer is late, by a millisecond on some machines, and no client can know that
package main

import (
	"bytes"
	"flag"
	"fmt"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

func main() {
	addr := flag.String("listen", "127.0.0.1:0", "address")
	flag.Parse()
	l, err := net.Listen("tcp", *addr)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Println(l.Addr())
	s := &server{}
	for {
		c, err := l.Accept()
		if err != nil {
			return
		}
		go s.serve(c)
	}
}

type server struct {
	bimodal atomic.Int64
	first   sync.Once
	stallAt time.Time // set by first
	taken   taken
}

var (
	headEnd  = []byte("\r\n\r\n")
	response = []byte("HTTP/1.1 200 OK\r\nServer: knownserver\r\nContent-Type: text/plain\r\nContent-Length: 12\r\n\r\nhello world\n")
	closing  = []byte("HTTP/1.1 200 OK\r\nServer: knownserver\r\nConnection: close\r\nContent-Length: 12\r\n\r\nhello world\n")
	kept     = []byte("HTTP/1.0 200 OK\r\nServer: knownserver\r\nConnection: keep-alive\r\nContent-Length: 12\r\n\r\nhello world\n")
)

func (s *server) serve(c net.Conn) {
	defer c.Close()
	buf := make([]byte, 4096)
	filled := 0
	for {
		n, err := c.Read(buf[filled:])
		if err != nil {
			return
		}
		filled += n
		end := bytes.Index(buf[:filled], headEnd)
		if end < 0 {
			continue
		}
		head := buf[:end]
		out, last := answer(head)
		if path := pathOf(head); path == "/taken" {
			out, last = s.taken.report(), true
		} else if path != "/" {
			read := time.Now()
			s.wait(path)
			s.taken.add(time.Since(read))
		}
		if _, err := c.Write(out); err != nil || last {
			return
		}
		filled = copy(buf, buf[end+len(headEnd):filled])
	}
}

// answer picks the response; ab speaks HTTP/1.0.
func answer(head []byte) (out []byte, last bool) {
	switch {
	case bytes.Contains(head, []byte("HTTP/1.0")) && bytes.Contains(head, []byte("Keep-Alive")):
		return kept, false
	case bytes.Contains(head, []byte("HTTP/1.0")), bytes.Contains(head, []byte("Connection: close")):
		return closing, true
	}
	return response, false
}

func pathOf(head []byte) string {
	path, _, _ := bytes.Cut(bytes.TrimPrefix(head, []byte("GET ")), []byte(" "))
	return string(path)
}

func (s *server) wait(path string) {
	switch path {
	case "/fixed":
		time.Sleep(20 * time.Millisecond)
	case "/bimodal":
		if s.bimodal.Add(1)%8 == 0 {
			time.Sleep(100 * time.Millisecond)
		} else {
			time.Sleep(10 * time.Millisecond)
		}
	case "/stall":
		s.first.Do(func() { s.stallAt = time.Now().Add(2 * time.Second) })
		if into := time.Since(s.stallAt); into >= 0 && into < 500*time.Millisecond {
			time.Sleep(500*time.Millisecond - into)
		}
		time.Sleep(2 * time.Millisecond)
	}
}
