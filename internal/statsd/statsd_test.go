package statsd

import (
	"net"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestWhatIsSent(t *testing.T) {
	path := filepath.Join(t.TempDir(), "statsd")
	for name, listen := range map[string]func() (net.PacketConn, string){
		"udp": func() (net.PacketConn, string) {
			c, err := net.ListenPacket("udp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			return c, c.LocalAddr().String()
		},
		"unix": func() (net.PacketConn, string) {
			c, err := net.ListenPacket("unixgram", path)
			if err != nil {
				t.Fatal(err)
			}
			return c, "unix://" + path
		},
	} {
		t.Run(name, func(t *testing.T) {
			server, address := listen()
			defer server.Close()
			c, err := Open(Options{Address: address, Prefix: "shop..", Tags: "env:test"})
			if err != nil {
				t.Fatal(err)
			}
			c.Request(404, 1500*time.Microsecond)
			c.Workers(3)
			c.Logged("error")
			c.Close()
			var got []string
			for range 5 {
				buf := make([]byte, 1024)
				_ = server.SetReadDeadline(time.Now().Add(10 * time.Second))
				n, _, err := server.ReadFrom(buf)
				if err != nil {
					t.Fatal(err)
				}
				got = append(got, string(buf[:n]))
			}
			want := []string{
				"shop.gunicorn.request.duration:1.5|ms|#env:test", "shop.gunicorn.requests:1|c|@1.0|#env:test",
				"shop.gunicorn.request.status.404:1|c|@1.0|#env:test", "shop.gunicorn.workers:3|g|#env:test",
				"shop.gunicorn.log.error:1|c|@1.0|#env:test",
			}
			if !slices.Equal(got, want) {
				t.Errorf("sent %q", got)
			}
		})
	}
}

// Nobody listens, and nobody waits.
func TestNobodyListens(t *testing.T) {
	c, err := Open(Options{Address: "127.0.0.1:9"})
	if err != nil {
		t.Fatal(err)
	}
	for range 3 * queued {
		c.Request(200, time.Second)
	}
	c.Close()
	var none *Client
	none.Request(200, 0)
	none.Workers(1)
	none.Logged("error")
	none.Close()
}

func TestParse(t *testing.T) {
	for address, want := range map[string]string{
		"localhost:8125": "udp localhost:8125", "localhost": "udp localhost:8125", "[::1]:9": "udp [::1]:9", "unix:///run/s": "unixgram /run/s",
		"": "error", "host:port": "error", "unix://": "error", "h:0": "error",
	} {
		network, target, err := Parse(address)
		got := network + " " + target
		if err != nil {
			got = "error"
		}
		if got != want {
			t.Errorf("%q is %s, want %s", address, got, want)
		}
	}
}

// A server that reads nothing holds up no end, and nobody who has still something to tell.
func TestAServerThatReadsNothing(t *testing.T) {
	path := filepath.Join(t.TempDir(), "statsd")
	server, err := net.ListenPacket("unixgram", path)
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	c, err := Open(Options{Address: "unix://" + path})
	if err != nil {
		t.Fatal(err)
	}
	for range queued {
		c.Request(200, time.Second)
	}
	began := time.Now()
	c.Close()
	c.Request(200, time.Second)
	if d := time.Since(began); d > 10*closeLimit {
		t.Errorf("the end took %v", d)
	}
}
