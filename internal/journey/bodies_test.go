package journey

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"math"
	"math/rand/v2"
	"net/http"
	"sync"
	"testing"
	"time"
)

// maxBody is what a source takes if nothing else is said.
const maxBody = 1 << 20

// TestBodies sends bodies of random bytes and lengths, in odd content types, and compares what comes out at the
// receiver and at the API with what went in.
func TestBodies(t *testing.T) {
	random := newRandom(t)
	l := newLedger()
	g := newGateway(t)
	p := newProducer(g, l)
	p.sources()
	r := newReceiver(t, l, nil)
	r.destination(g, "raw", "raw")

	types := map[digest]string{}
	var bytesSent int
	var sending sync.WaitGroup
	slots := make(chan struct{}, 4)
	for n := range *bodies {
		body := randomBytes(random, bodyLength(n, random))
		d := digest(sha256.Sum256(body))
		if _, ok := types[d]; ok { // a short one that was there before: which of their content types came out could not be told
			body = randomBytes(random, 16)
			d = sha256.Sum256(body)
		}
		types[d] = contentTypes[n%len(contentTypes)]
		bytesSent += len(body)
		slots <- struct{}{}
		sending.Go(func() {
			defer func() { <-slots }()
			if status := postTyped(p, body, contentTypes[n%len(contentTypes)]); status != http.StatusAccepted {
				t.Errorf("%d bytes are answered %d", len(body), status)
			}
		})
	}
	sending.Wait()
	settle(t, g, time.Minute)
	l.check(t, g)

	for _, a := range l.arrivedAt("raw") {
		if want := types[a.body]; a.contentType != want {
			t.Errorf("sent as %q, arrived as %q", want, a.contentType)
		}
	}
	c := g.client()
	events := readStored(t, c).events
	for id, ev := range events {
		body, contentType := bodyOf(t, c, id)
		sum := digest(sha256.Sum256(body))
		want := types[sum]
		if want == "" {
			want = "application/octet-stream"
		}
		if l.sent[sum] == nil || hex.EncodeToString(sum[:]) != ev.BodySHA256 || len(body) != ev.BodyBytes || contentType != want {
			t.Errorf("event %s: its %d bytes of %q are not what was sent: %d bytes, %.12s…, %q", id, len(body), contentType, ev.BodyBytes, ev.BodySHA256, want)
		}
	}
	t.Logf("%d bodies, %d MiB, are the same at the receiver, at GET /events/{id}/body and in body_sha256", len(events), bytesSent>>20)
}

// contentTypes are odd ones; "" is none.
var contentTypes = []string{
	"application/json", "", "application/octet-stream", "text/plain; charset=utf-16", "TEXT/HTML", "image/png; q=\"a;b\"",
	"application/x-www-form-urlencoded", "multipart/form-data; boundary=\"--x\"", "not a content type", ";", "application/json; charset=\"<script>\"",
}

// bodyLength begins with lengths around borders; then most are short and some long, up to the largest.
func bodyLength(n int, random *rand.Rand) int {
	borders := []int{0, 1, 2, maxBody, maxBody - 1, 4095, 4096, 4097, 8191, 8192, 8193, 16384, 65535, 65536, 65537, 256 << 10, 256<<10 + 1}
	if n < len(borders) {
		return borders[n]
	}
	if n%8 == 0 {
		return random.IntN(maxBody + 1)
	}
	return int(math.Exp(random.Float64() * math.Log(maxBody)))
}

func randomBytes(random *rand.Rand, n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(random.Uint32())
	}
	return b
}

// postTyped sends body to the plain source in a content type.
func postTyped(p *producer, body []byte, contentType string) (status int) {
	req, err := http.NewRequest(http.MethodPost, p.gateway.in(plainSource), bytes.NewReader(body))
	if err != nil {
		panic(err)
	}
	req.GetBody = nil
	if contentType != "" {
		req.Header.Set("Content-Type", contentType)
	}
	sent := p.ledger.send(plainSource, "", body)
	res, err := p.http.Do(req)
	if err != nil {
		return 0
	}
	res.Body.Close()
	if res.StatusCode/100 == 2 {
		p.ledger.ack(sent)
	}
	return res.StatusCode
}
