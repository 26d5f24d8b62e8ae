package journey

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/bellhop-gateway/bellhop/client"
)

// TestHeaderFloods sends more headers and parameters than any sender needs.
func TestHeaderFloods(t *testing.T) {
	t.Parallel()
	g := newGateway(t)
	newProducer(g, newLedger()).sources()
	head := "POST /in/" + plainSource + " HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n"
	var all sync.WaitGroup
	for name, c := range map[string]struct {
		text string
		want int
	}{
		"20,000 headers": {head + strings.Repeat("X-A: b\r\n", 20_000) + "\r\n",
			http.StatusRequestHeaderFieldsTooLarge},
		"a header of 1 MiB": {head + "X-A: " + strings.Repeat("b", 1<<20) + "\r\n\r\n",
			http.StatusRequestHeaderFieldsTooLarge},
		"a header of 100 KiB": {head + "Ms-Signature: " + strings.Repeat("b", 100<<10) + "\r\n\r\n",
			http.StatusRequestHeaderFieldsTooLarge},
		"10,001 query parameters": {"POST /in/" + plainSource + "?a" + strings.Repeat("&a", 10_000) +
			" HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n", http.StatusBadRequest},
	} {
		all.Go(func() {
			k := say(t, g, abuser, strings.NewReader(c.text), 1, either)
			if !k.is(c.want) {
				t.Errorf("%s: answered %v, want %d", name, k, c.want)
			}
			t.Logf("%s: %v", name, k)
		})
	}
	all.Wait()
	if events := listEvents(t, g.client()); len(events) != 0 {
		t.Errorf("%d events are stored", len(events))
	}
}

// TestIdleConnections holds 1,000 connections open from one address while other senders are served.
func TestIdleConnections(t *testing.T) {
	t.Parallel()
	const connections = 1000
	g := newGateway(t)
	newProducer(g, newLedger()).sources()
	for range connections {
		c := dial(t, g, abuser)
		defer c.Close()
		fmt.Fprint(c, "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
		res, err := http.ReadResponse(bufio.NewReader(c), nil)
		if err != nil || res.StatusCode != http.StatusOK {
			t.Fatalf("%v, %v", res, err)
		}
	}
	slowest := serves(t, g, plainSource, 50)
	now, _, _ := memory(g.pid)
	t.Logf("%d idle connections: 50 others are served, the slowest within %v; %d MiB", connections,
		slowest.Round(time.Millisecond), now)
	if now > 200*memoryFactor {
		t.Errorf("it holds %d MiB", now)
	}
}

// TestBodyLimits sends bodies at and beyond the limit, and bodies whose length is not the announced one.
func TestBodyLimits(t *testing.T) {
	t.Parallel()
	g := newGateway(t, "--read-timeout", "5s")
	newProducer(g, newLedger()).sources()
	before, _, _ := memory(g.pid)
	head := "POST /in/" + plainSource + " HTTP/1.1\r\nHost: x\r\n"
	declared := func(length, sent int64) io.Reader {
		return io.MultiReader(strings.NewReader(fmt.Sprintf("%sContent-Length: %d\r\n\r\n", head, length)),
			zeros(sent))
	}
	chunked := func(sent int64) io.Reader {
		return io.MultiReader(strings.NewReader(head+"Transfer-Encoding: chunked\r\n\r\n"), chunks(zeros(sent)))
	}
	var all sync.WaitGroup
	for _, c := range []struct {
		name  string
		text  io.Reader
		want  int
		after fate
	}{
		{"exactly the limit, declared", declared(maxBody, maxBody), 202, stays},
		{"one more, declared", declared(maxBody+1, maxBody+1), 413, closes},
		{"one more, chunked", chunked(maxBody + 1), 413, closes},
		{"32 MiB, chunked", chunked(32 << 20), 413, closes},
		{"1 GiB announced, 1 KiB sent", declared(1<<30, 1<<10), 413, closes},
		{"1 MiB announced, 1 KiB sent, then silence", declared(maxBody, 1<<10), 408, closes},
		{"1 MiB announced, 1 KiB sent, then closed", &breaksOff{declared(maxBody, 1<<10)}, 400, closes},
		{"chunks that break off",
			&breaksOff{strings.NewReader(head + "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n")},
			400, closes},
		{"a chunk that breaks off",
			&breaksOff{strings.NewReader(head + "Transfer-Encoding: chunked\r\n\r\nff\r\nhello")},
			400, closes},
		{"a chunk announced and not sent", strings.NewReader(head + "Transfer-Encoding: chunked\r\n\r\nffff\r\nabc"),
			408, closes},
	} {
		all.Go(func() {
			k := say(t, g, abuser, c.text, 1, c.after)
			if !k.is(c.want) || !k.met(c.after) {
				t.Errorf("%s: answered %v, want %d and closed: %t", c.name, k, c.want, c.after == closes)
			}
			t.Logf("%s: %v", c.name, k)
		})
	}
	all.Wait()
	if k := say(t, g, abuser, chunked(maxBody), 1, either); !k.is(202) {
		t.Errorf("exactly the limit, chunked: answered %v", k)
	}
	events := listEvents(t, g.client())
	if len(events) != 2 || events[0].BodyBytes != maxBody || events[1].BodyBytes != maxBody {
		t.Errorf("stored are %+v, want the two that are within the limit", events)
	}
	_, peak, _ := memory(g.pid)
	t.Logf("%d MiB before, %d at most", before, peak)
	if peak > 100*memoryFactor {
		t.Errorf("it held %d MiB", peak)
	}
}

// TestSlowSenders: senders of one byte a second, of headers or of a body, are cut off. Others are served meanwhile.
func TestSlowSenders(t *testing.T) {
	t.Parallel()
	g := newGateway(t, "--read-timeout", "1s")
	newProducer(g, newLedger()).sources()
	head := "POST /in/" + plainSource + " HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n"
	var slow sync.WaitGroup
	for range 50 {
		for _, quick := range []string{head, head + "\r\n"} {
			slow.Go(func() {
				k := say(t, g, abuser, io.MultiReader(strings.NewReader(quick), &trickle{}), 0, closes)
				if !k.closed || !k.is() && !k.is(400) && !k.is(408) {
					t.Errorf("a byte a second is answered %v", k)
				}
			})
		}
	}
	slowest := serves(t, g, plainSource, 20)
	slow.Wait()
	t.Logf("100 slow senders were cut off; 20 others were served meanwhile, the slowest within %v",
		slowest.Round(time.Millisecond))
	if events := listEvents(t, g.client()); len(events) != 20 {
		t.Errorf("%d events are stored, want 20", len(events))
	}
}

// A trickle is a reader of a byte a second.
type trickle struct{}

func (*trickle) Read(p []byte) (int, error) {
	pause(context.Background(), time.Second)
	p[0] = 'a'
	return 1, nil
}

// TestSilentUploads: 400 connections announce more bytes than the gateway receives at a time, and send none of
// them. Others are served all the same.
func TestSilentUploads(t *testing.T) {
	t.Parallel()
	g := newGateway(t, "--read-timeout", "1m")
	newProducer(g, newLedger()).sources()
	for range 400 { // of 1 MiB each; 128 MiB are received at a time
		c := dial(t, g, abuser)
		defer c.Close()
		fmt.Fprintf(c, "POST /in/%s HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n", plainSource, maxBody)
	}
	slowest := serves(t, g, plainSource, 20)
	t.Logf("400 silent uploads: 20 others are served, the slowest within %v", slowest.Round(time.Millisecond))
}

// TestUploadBudget: five uploads send more together than the gateway receives at a time. At least one of them is
// answered 503, or 408 where it gave way to another. Others are served again once the uploads have ended, and memory
// stays bounded.
func TestUploadBudget(t *testing.T) {
	t.Parallel()
	const size = 32 << 20 // four of them are the budget
	g := newGateway(t, "--read-timeout", "5m")
	hmac := map[string]any{"scheme": "hmac", "header": "X-Signature", "secret": "Tr0ub4dor&3"}
	g.newSource(client.NewSource{Name: "large", Provider: "generic", Settings: hmac, MaxBodyBytes: size})
	g.source(plainSource, "generic", map[string]any{"scheme": "none"})
	var uploads sync.WaitGroup
	var connections []net.Conn
	for range 5 {
		c := dial(t, g, abuser)
		defer c.Close()
		connections = append(connections, c)
		uploads.Go(func() {
			fmt.Fprintf(c, "POST /in/large HTTP/1.1\r\nHost: x\r\nX-Signature: %064d\r\nContent-Length: %d\r\n\r\n", 0,
				size)
			// for which the gateway reserves all of size; an upload that is refused breaks off
			io.Copy(c, zeros(size/2+1))
		})
	}
	eventually(t, patience, "an upload is refused", func() bool { return len(refusals(t, g, "large")) > 0 })
	uploads.Wait()
	for _, r := range refusals(t, g, "large") {
		busy := r.Status == http.StatusServiceUnavailable && r.Reason == "busy"
		cut := r.Status == http.StatusRequestTimeout && r.Reason == "cut"
		if !busy && !cut {
			t.Errorf("on record: %+v", r)
		}
	}
	for _, c := range connections {
		c.Close()
	}
	eventually(t, patience, "a small request is accepted", func() bool {
		res, err := probing.Post(g.in(plainSource), "text/plain", strings.NewReader("small"))
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		return res.StatusCode == http.StatusAccepted
	})
	serves(t, g, plainSource, 5)
	if _, peak, ok := memory(g.pid); ok && peak >= 400*memoryFactor {
		t.Errorf("it held %d MiB, want less than %d", peak, 400*memoryFactor)
	}
}
