package interop

import (
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
	svix "github.com/svix/svix-webhooks/go"
)

// Secrets of the Standard Webhooks kind, for these runs alone.
const (
	standardSecret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
	olderSecret    = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"
)

// A standardClient is a library that verifies and signs as Standard Webhooks says.
type standardClient struct {
	name string
	// fail: calls to answer 500 first
	listen func(t *testing.T, secret string, fail int) (url string, next func() verified)
	sign   func(t *testing.T, m standardMessage) (status int)
	bytes  bool // it takes bodies that are not UTF-8
	svix   bool // it speaks of svix-id too
}

// verified is what a library made of a delivery.
type verified struct {
	body, id, signature string
	refusesTampered     bool
}

// A standardMessage is to be signed and posted.
type standardMessage struct {
	to, secret, id, body string
	at                   time.Time
	family               string   // "" is webhook
	others               []string // signatures that stand in front of its own
}

func TestNpmStandardwebhooks(t *testing.T) {
	testStandard(t, standardClient{name: npm(t, "standardwebhooks"), listen: nodeListens("standardwebhooks.mjs"),
		sign: nodeSigns("standardwebhooks.mjs")})
}

func TestNpmSvix(t *testing.T) {
	testStandard(t, standardClient{name: npm(t, "svix"), listen: nodeListens("svix.mjs"), sign: nodeSigns("svix.mjs"),
		svix: true})
}

func TestGoStandardwebhooks(t *testing.T) {
	open := func(secret string) (goStandard, error) { return standardwebhooks.NewWebhook(secret) }
	name := module(t, "github.com/standard-webhooks/standard-webhooks/libraries")
	testStandard(t, standardClient{name: name, listen: goListens(open), sign: goSigns(open), bytes: true})
}

func TestGoSvix(t *testing.T) {
	open := func(secret string) (goStandard, error) { return svix.NewWebhook(secret) }
	name := module(t, "github.com/svix/svix-webhooks")
	testStandard(t, standardClient{name: name, listen: goListens(open), sign: goSigns(open), bytes: true, svix: true})
}

func testStandard(t *testing.T, c standardClient) {
	g := live(t)
	// delivers sends one body through a destination with these secrets and has it verified with the one in hand.
	delivers := func(t *testing.T, body string, inHand string, secrets any) verified {
		t.Helper()
		s := g.plain(t)
		url, next := c.listen(t, inHand, 0)
		d := s.to(t, "http", url, settings{"format": "standard", "secret": secrets})
		s.ring(t, "application/json", body)
		got := next()
		if got.body != body || !got.refusesTampered {
			t.Errorf("verified %q, refuses a changed one: %t; want %q", got.body, got.refusesTampered, body)
		}
		d.delivered(t)
		return got
	}
	for _, check := range []struct{ what, body string }{
		{"JSON, verified; one more byte is refused", `{"type":"invoice.paid","data":{"amount":4200}}`},
		{"text beyond ASCII and odd spacing", "{ \"text\" :\t\"Grüße, 世界 \\u00e9 👋\" }\r\n"},
	} {
		show(t, c.name, deliver, check.what, func(t *testing.T) { delivers(t, check.body, standardSecret, standardSecret) })
	}
	if c.bytes {
		show(t, c.name, deliver, "bytes that are no text",
			func(t *testing.T) { delivers(t, allBytes(), standardSecret, standardSecret) })
	} else {
		show(t, c.name, deliver, "bytes that are no text: it cannot verify them", func(t *testing.T) {
			s := g.plain(t)
			url, _ := c.listen(t, standardSecret, 0)
			d := s.to(t, "http", url, settings{"secret": standardSecret}, settings{"retry": settings{"schedule": "none"}})
			s.ring(t, "application/octet-stream", allBytes())
			if v := d.settled(t, func(v delivery) bool { return v.State == "dead" }); v.Last.Status != http.StatusBadRequest {
				t.Errorf("answered %d", v.Last.Status)
			}
		})
		show(t, c.name, deliver, "the same bytes in format envelope", func(t *testing.T) {
			s := g.plain(t)
			url, next := c.listen(t, standardSecret, 0)
			d := s.to(t, "http", url, settings{"format": "envelope", "secret": standardSecret})
			s.ring(t, "application/octet-stream", allBytes())
			if got := next(); !strings.Contains(got.body, "data_base64") {
				t.Errorf("verified %q", got.body)
			}
			d.delivered(t)
		})
	}
	show(t, c.name, deliver, "either secret of a rotation", func(t *testing.T) {
		for _, secret := range []string{standardSecret, olderSecret} {
			got := delivers(t, `{"n":1}`, secret, []string{standardSecret, olderSecret})
			if strings.Count(got.signature, "v1,") != 2 {
				t.Errorf("signed %q, want two signatures", got.signature)
			}
		}
	})
	show(t, c.name, deliver, "a second attempt: same id, signed anew", func(t *testing.T) {
		s := g.plain(t)
		url, next := c.listen(t, standardSecret, 1)
		d := s.to(t, "http", url, settings{"secret": standardSecret},
			settings{"retry": settings{"schedule": []string{"1s"}}})
		s.ring(t, "application/json", `{"n":2}`)
		first, second := next(), next()
		if first.id != second.id || first.signature == second.signature {
			t.Errorf("first %+v, then %+v", first, second)
		}
		if v := d.delivered(t); v.Attempts != 2 {
			t.Errorf("%d attempts", v.Attempts)
		}
	})

	const body = "{ \"type\" : \"contact.created\", \"data\": \"é\" }\n"
	message := func(s source) standardMessage {
		return standardMessage{to: s.URL, secret: standardSecret, id: "msg_" + s.Name, body: body, at: time.Now()}
	}
	door := func(t *testing.T) source { return g.source(t, "standardwebhooks", settings{"secret": standardSecret}) }
	taken := func(t *testing.T, s source, m standardMessage) {
		t.Helper()
		if status := c.sign(t, m); status != http.StatusAccepted {
			t.Fatalf("answered %d: %v", status, s.refusals(t))
		}
		if ev := s.one(t); ev.Body != m.body {
			t.Errorf("kept %q, not %q", ev.Body, m.body)
		}
	}
	show(t, c.name, receive, "signed by it, taken byte for byte; the same id again is one event", func(t *testing.T) {
		s := door(t)
		taken(t, s, message(s))
		taken(t, s, message(s))
	})
	show(t, c.name, receive, "its signature after others in one header", func(t *testing.T) {
		s := door(t)
		m := message(s)
		m.others = []string{"v1a,bm90IG9uZQ==", "v1,K5oZfzN95Z9UVu1EsfQmfVNQhnkZ2pj9o9NDN/H/pI4="}
		taken(t, s, m)
	})
	if c.svix {
		show(t, c.name, receive, "svix-id, svix-timestamp, svix-signature", func(t *testing.T) {
			s := door(t)
			m := message(s)
			m.family = "svix"
			taken(t, s, m)
		})
	}
	show(t, c.name, receive, "another secret, or ten minutes old: 401", func(t *testing.T) {
		s := door(t)
		stale, stranger := message(s), message(s)
		stale.at, stranger.secret = stale.at.Add(-10*time.Minute), olderSecret
		for _, m := range []standardMessage{stale, stranger} {
			if status := c.sign(t, m); status != http.StatusUnauthorized {
				t.Errorf("answered %d", status)
			}
		}
		if n := len(s.events(t)); n != 0 {
			t.Errorf("%d events", n)
		}
	})
}

// allBytes is every byte there is, once.
func allBytes() string {
	b := make([]byte, 256)
	for i := range b {
		b[i] = byte(i)
	}
	return string(b)
}

func nodeListens(file string) func(*testing.T, string, int) (string, func() verified) {
	return func(t *testing.T, secret string, fail int) (string, func() verified) {
		p := receiver(t, file, settings{"secret": secret, "fail": fail})
		return p.URL, func() verified {
			line := p.next()
			body, _ := line["body"].(string)
			id, _ := line["id"].(string)
			signature, _ := line["signature"].(string)
			return verified{body, id, signature, line["refusesTampered"] == true}
		}
	}
}

func nodeSigns(file string) func(*testing.T, standardMessage) int {
	return func(t *testing.T, m standardMessage) int {
		s := settings{"to": m.to, "secret": m.secret, "id": m.id, "at": m.at.Unix(), "body": m.body, "others": m.others}
		if m.family != "" {
			s["family"] = m.family
		}
		status, _ := node(t, file, s).next()["status"].(float64)
		return int(status)
	}
}

// goStandard is what both Go libraries have.
type goStandard interface {
	Verify(payload []byte, headers http.Header) error
	Sign(id string, at time.Time, payload []byte) (string, error)
}

func goListens(open func(string) (goStandard, error)) func(*testing.T, string, int) (string, func() verified) {
	return func(t *testing.T, secret string, fail int) (string, func() verified) {
		library, err := open(secret)
		if err != nil {
			t.Fatal(err)
		}
		s := listen(t, func(w http.ResponseWriter, c call) {
			if fail--; fail >= 0 {
				w.WriteHeader(http.StatusInternalServerError)
			}
		})
		return s.URL, func() verified {
			t.Helper()
			c := s.next()
			if err := library.Verify(c.body, c.header); err != nil {
				t.Fatalf("the client says: %v", err)
			}
			tampered := library.Verify(append(c.body[:len(c.body):len(c.body)], ' '), c.header)
			return verified{string(c.body), c.header.Get("webhook-id"), c.header.Get("webhook-signature"), tampered != nil}
		}
	}
}

func goSigns(open func(string) (goStandard, error)) func(*testing.T, standardMessage) int {
	return func(t *testing.T, m standardMessage) int {
		t.Helper()
		library, err := open(m.secret)
		if err != nil {
			t.Fatal(err)
		}
		signature, err := library.Sign(m.id, m.at, []byte(m.body))
		if err != nil {
			t.Fatal(err)
		}
		family := m.family
		if family == "" {
			family = "webhook"
		}
		return post(t, m.to, http.Header{
			"Content-Type":        {"application/json"},
			family + "-id":        {m.id},
			family + "-timestamp": {strconv.FormatInt(m.at.Unix(), 10)},
			family + "-signature": {strings.Join(append(m.others, signature), " ")},
		}, m.body)
	}
}

// post posts and returns the status.
func post(t *testing.T, to string, h http.Header, body string) int {
	t.Helper()
	req, err := http.NewRequest(http.MethodPost, to, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for k, v := range h {
		req.Header[http.CanonicalHeaderKey(k)] = v
	}
	answer, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	io.Copy(io.Discard, answer.Body)
	return answer.StatusCode
}
