package journey

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/bellhop-gateway/bellhop/client"
)

// TestHeaderFloods sends more headers and parameters than anyone needs.
func TestHeaderFloods(t *testing.T) {
	g := newGateway(t)
	newProducer(g, newLedger()).sources()
	head := "POST /in/" + plainSource + " HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n"
	var all sync.WaitGroup
	for name, c := range map[string]struct {
		text string
		want int
	}{
		"20,000 headers":          {head + strings.Repeat("X-A: b\r\n", 20_000) + "\r\n", http.StatusRequestHeaderFieldsTooLarge},
		"a header of 1 MiB":       {head + "X-A: " + strings.Repeat("b", 1<<20) + "\r\n\r\n", http.StatusRequestHeaderFieldsTooLarge},
		"a header of 100 KiB":     {head + "Ms-Signature: " + strings.Repeat("b", 100<<10) + "\r\n\r\n", http.StatusRequestHeaderFieldsTooLarge},
		"10,001 query parameters": {"POST /in/" + plainSource + "?a" + strings.Repeat("&a", 10_000) + " HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n", http.StatusBadRequest},
	} {
		all.Go(func() {
			k := say(t, g, abuser, c.text, 5*time.Second)
			if !k.is(c.want) {
				t.Errorf("%s: answered %v, want %d", name, k, c.want)
			}
			t.Logf("%s: %v", name, k)
		})
	}
	all.Wait()
	if events := listEvents(t, g); len(events) != 0 {
		t.Errorf("%d events are stored", len(events))
	}
}

// TestIdleConnections holds 1,000 connections open from one address while others are served.
func TestIdleConnections(t *testing.T) {
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
	t.Logf("%d idle connections: 50 others are served, the slowest within %v; %d MiB", connections, slowest.Round(time.Millisecond), now)
	if now > 200 {
		t.Errorf("it holds %d MiB", now)
	}
}

// TestBodyLimits sends bodies at and beyond the limit, and bodies that are not what they say.
func TestBodyLimits(t *testing.T) {
	g := newGateway(t, "--read-timeout", "1s")
	newProducer(g, newLedger()).sources()
	before, _, _ := memory(g.pid)
	head := "POST /in/" + plainSource + " HTTP/1.1\r\nHost: x\r\n"
	declared := func(length, sent int64) io.Reader {
		return io.MultiReader(strings.NewReader(fmt.Sprintf("%sContent-Length: %d\r\n\r\n", head, length)), zeros(sent))
	}
	chunked := func(sent int64) io.Reader {
		return io.MultiReader(strings.NewReader(head+"Transfer-Encoding: chunked\r\n\r\n"), chunks(zeros(sent)))
	}
	var all sync.WaitGroup
	for _, c := range []struct {
		name   string
		text   io.Reader
		want   int
		closed bool
	}{
		{"exactly the limit, declared", declared(maxBody, maxBody), 202, false},
		{"one more, declared", declared(maxBody+1, maxBody+1), 413, true},
		{"one more, chunked", chunked(maxBody + 1), 413, true},
		{"32 MiB, chunked", chunked(32 << 20), 413, true},
		{"1 GiB announced, 1 KiB sent", declared(1<<30, 1<<10), 413, true},
		{"1 MiB announced, 1 KiB sent, then silence", declared(maxBody, 1<<10), 408, true},
		{"1 MiB announced, 1 KiB sent, then gone", &breaksOff{declared(maxBody, 1<<10)}, 400, true},
		{"chunks that break off", &breaksOff{strings.NewReader(head + "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n")}, 400, true},
		{"a chunk that breaks off", &breaksOff{strings.NewReader(head + "Transfer-Encoding: chunked\r\n\r\nff\r\nhello")}, 400, true},
		{"a chunk announced and not sent", strings.NewReader(head + "Transfer-Encoding: chunked\r\n\r\nffff\r\nabc"), 408, true},
	} {
		all.Go(func() {
			k := sayFrom(t, g, abuser, c.text, 5*time.Second)
			if !k.is(c.want) || k.closed != c.closed || k.took > 4*time.Second {
				t.Errorf("%s: answered %v, want %d and closed: %t", c.name, k, c.want, c.closed)
			}
			t.Logf("%s: %v", c.name, k)
		})
	}
	all.Wait()
	if k := sayFrom(t, g, abuser, chunked(maxBody), 5*time.Second); !k.is(202) {
		t.Errorf("exactly the limit, chunked: answered %v", k)
	}
	events := listEvents(t, g)
	if len(events) != 2 || events[0].BodyBytes != maxBody || events[1].BodyBytes != maxBody {
		t.Errorf("stored are %+v, want the two that were not too large", events)
	}
	_, peak, _ := memory(g.pid)
	t.Logf("%d MiB before, %d at most", before, peak)
	if peak > 100 {
		t.Errorf("it held %d MiB", peak)
	}
}

// TestSlowSenders send a byte a second, of the headers or of the body. They are cut off, and others are served.
func TestSlowSenders(t *testing.T) {
	g := newGateway(t, "--read-timeout", "1s")
	newProducer(g, newLedger()).sources()
	head := "POST /in/" + plainSource + " HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n"
	var slow sync.WaitGroup
	for range 50 {
		for _, quick := range []string{head, head + "\r\n"} {
			slow.Go(func() {
				k := sayFrom(t, g, abuser, io.MultiReader(strings.NewReader(quick), &trickle{}), 10*time.Second)
				if !k.closed || k.took > 5*time.Second || len(k.statuses) > 1 || len(k.statuses) == 1 && k.statuses[0] != 400 && k.statuses[0] != 408 {
					t.Errorf("a byte a second is answered %v", k)
				}
			})
		}
	}
	slowest := serves(t, g, plainSource, 20)
	slow.Wait()
	t.Logf("100 slow senders were cut off; 20 others were served meanwhile, the slowest within %v", slowest.Round(time.Millisecond))
	if events := listEvents(t, g); len(events) != 20 {
		t.Errorf("%d events are stored, want 20", len(events))
	}
}

// A trickle is a byte a second.
type trickle struct{}

func (*trickle) Read(p []byte) (int, error) {
	pause(context.Background(), time.Second)
	p[0] = 'a'
	return 1, nil
}

func listEvents(t *testing.T, g *gateway) []client.Event {
	t.Helper()
	c := g.client()
	return everything(t, func(ctx context.Context, page client.Page) (client.List[client.Event], error) {
		return c.Events(ctx, client.EventFilter{}, page)
	})
}
