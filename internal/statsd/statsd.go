// Package statsd sends gunicorn's metrics to a statsd server, each in a datagram of
// its own, in gunicorn's words. It never waits: what the network or the queue does not
// take is lost, which is what statsd's datagrams are made for.
package statsd

import (
	"fmt"
	"net"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Options say where to and how.
type Options struct {
	Address string // HOST:PORT or unix://PATH
	Prefix  string
	Tags    string // in Datadog's form, after |#
}

// Client sends metrics. All methods work on nil and then do nothing.
type Client struct {
	conn   net.Conn
	prefix string
	tags   string
	queue  chan string
	quit   chan struct{} // closed by Close
	done   chan struct{}
	once   sync.Once
}

// queued is how many datagrams may wait; more are lost.
const queued = 4096

const defaultPort = "8125"

// withDot is gunicorn's rule for the end of a prefix.
var withDot = regexp.MustCompile(`^(.+[^.]+)\.*$`)

// Parse splits an address into the names that net.Dial wants.
func Parse(address string) (network, target string, err error) {
	if path, ok := strings.CutPrefix(address, "unix://"); ok {
		if path == "" {
			return "", "", fmt.Errorf("%q names no socket", address)
		}
		return "unixgram", path, nil
	}
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		host, port = strings.Trim(address, "[]"), defaultPort
	}
	if n, err := strconv.Atoi(port); err != nil || n < 1 || n > 65535 || host == "" {
		return "", "", fmt.Errorf("%q is neither HOST:PORT nor unix://PATH", address)
	}
	return "udp", net.JoinHostPort(host, port), nil
}

// Open returns a client; nobody may listen yet.
func Open(o Options) (*Client, error) {
	network, target, err := Parse(o.Address)
	if err != nil {
		return nil, err
	}
	conn, err := net.Dial(network, target)
	if err != nil {
		return nil, err
	}
	c := &Client{conn: conn, prefix: withDot.ReplaceAllString(o.Prefix, "$1."), queue: make(chan string, queued), quit: make(chan struct{}), done: make(chan struct{})}
	if o.Tags != "" {
		c.tags = "|#" + o.Tags
	}
	go c.run()
	return c, nil
}

func (c *Client) run() {
	defer close(c.done)
	for {
		select {
		case text := <-c.queue:
			_, _ = c.conn.Write([]byte(text))
		case <-c.quit:
			c.sendRest()
			return
		}
	}
}

func (c *Client) sendRest() {
	for {
		select {
		case text := <-c.queue:
			_, _ = c.conn.Write([]byte(text))
		default:
			return
		}
	}
}

// closeLimit is how long Close waits for a server that reads nothing from its socket.
const closeLimit = 500 * time.Millisecond

// Close sends what waits, for at most closeLimit.
func (c *Client) Close() {
	if c == nil {
		return
	}
	c.once.Do(func() {
		_ = c.conn.SetWriteDeadline(time.Now().Add(closeLimit))
		close(c.quit)
	})
	<-c.done
	c.conn.Close()
}

// Request tells of one that has ended.
func (c *Client) Request(status int, took time.Duration) {
	if c == nil {
		return
	}
	c.send("gunicorn.request.duration:" + float(float64(took.Microseconds())/1000) + "|ms")
	c.count("gunicorn.requests")
	c.count("gunicorn.request.status." + strconv.Itoa(status))
}

// Workers tells how many there are.
func (c *Client) Workers(n int) {
	if c != nil {
		c.send("gunicorn.workers:" + strconv.Itoa(n) + "|g")
	}
}

// Logged counts a line of the error log: critical, error, warning or exception.
func (c *Client) Logged(kind string) {
	if c != nil {
		c.count("gunicorn.log." + kind)
	}
}

func (c *Client) count(name string) { c.send(name + ":1|c|@1.0") }

func (c *Client) send(text string) {
	select {
	case c.queue <- c.prefix + text + c.tags:
	default:
	}
}

// float is a number as Python writes it.
func float(f float64) string {
	s := strconv.FormatFloat(f, 'f', -1, 64)
	if !strings.Contains(s, ".") {
		s += ".0"
	}
	return s
}
