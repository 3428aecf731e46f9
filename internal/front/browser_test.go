package front

import (
	"bytes"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

// What a browser is asked for: two sockets on the page's own connection, messages of
// several sizes, and the server's close frame.
const talk = `new Promise((done, failed) => {
	const talk = (said, left) => {
		const ws = new WebSocket("wss://" + location.host + "/chat", ["a", "b"]);
		ws.binaryType = "arraybuffer";
		ws.onopen = () => ws.send(new Uint8Array(70000));
		ws.onerror = () => failed(new Error("the socket failed"));
		ws.onmessage = (m) => { said.push(m.data.byteLength); ws.send(said.length < 3 ? new Uint8Array(said.length) : "close"); };
		ws.onclose = (e) => {
			said.push(ws.protocol, ws.extensions, e.code, e.reason);
			if (left > 0) talk(said.slice(0, 0), left - 1); else done(said.join());
		};
	};
	talk([], 1);
})`

// A browser speaks WebSocket over HTTP/2 when the server offers it.
func TestABrowsersWebSocketsGoOverHTTP2(t *testing.T) {
	versions := make(chan string, 10)
	s := over{tls: true}.serveCarried(t, func(c *appCall) {
		scope := bytes.Split(c.scope, []byte{0})
		if !bytes.Contains(c.scope, []byte("/chat")) {
			c.answer("200 OK", "<!doctype html><title>page</title>", "Content-Type", "text/html")
			return
		}
		versions <- string(scope[1])
		acceptAll(c)
	})
	flags := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.NoSandbox, chromedp.DisableGPU, chromedp.Flag("ignore-certificate-errors", true))
	allocator, end := chromedp.NewExecAllocator(t.Context(), flags...)
	defer end()
	ctx, end := chromedp.NewContext(allocator)
	t.Cleanup(func() { _ = chromedp.Cancel(ctx); end() })
	wait := func(p *runtime.EvaluateParams) *runtime.EvaluateParams { return p.WithAwaitPromise(true) }
	said := ""
	if err := chromedp.Run(ctx, chromedp.Navigate("https://"+s.addr+"/"), chromedp.Evaluate(talk, &said, wait)); err != nil {
		t.Fatal(err)
	}
	if want := "70000,1,2,b,"; !strings.HasPrefix(said, want) || !strings.HasSuffix(said, ",4001,enough") || !strings.Contains(said, "permessage-deflate") {
		t.Errorf("the browser saw %q", said)
	}
	for range 2 {
		if v := <-versions; v != "2" {
			t.Errorf("a socket came over HTTP/%s", v)
		}
	}
}
