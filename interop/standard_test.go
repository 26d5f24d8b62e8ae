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

// Secrets in the form of Standard Webhooks, used by these tests only.
const (
	standardSecret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
	olderSecret    = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"
)

// A standardClient is a library that verifies and signs as Standard Webhooks specifies.
type standardClient struct {
	name string
	// listen starts a receiver that answers 500 to its first fail requests. next waits for the next verified request.
	listen func(t *testing.T, secret string, fail int) (url string, next func() verified)
	// sign signs and posts a message, and returns the status of the response.
	sign  func(t *testing.T, m standardMessage) (status int)
	bytes bool // the library verifies bodies that are not UTF-8
	svix  bool // the library also signs with the headers svix-id, svix-timestamp and svix-signature
}

// verified is a delivery that a library verified.
type verified struct {
	body, id, signature string
	refusesTampered     bool // the library refused the same request with a changed body
}

// A standardMessage is a message for a library to sign and post.
type standardMessage struct {
	to, secret, id, body string
	at                   time.Time
	family               string   // prefix of the header names; "" means webhook
	others               []string // signatures that the header lists before the library's own
}

func TestNpmStandardwebhooks(t *testing.T) {
	const script = "standardwebhooks.mjs"
	testStandard(t, standardClient{name: npmVersion(t, "standardwebhooks"), listen: scriptReceiver(script),
		sign: scriptSigner(script)})
}

func TestNpmSvix(t *testing.T) {
	const script = "svix.mjs"
	testStandard(t, standardClient{name: npmVersion(t, "svix"), listen: scriptReceiver(script),
		sign: scriptSigner(script), svix: true})
}

func TestGoStandardwebhooks(t *testing.T) {
	open := func(secret string) (goStandard, error) { return standardwebhooks.NewWebhook(secret) }
	name := moduleVersion(t, "github.com/standard-webhooks/standard-webhooks/libraries")
	testStandard(t, standardClient{name: name, listen: libraryReceiver(open), sign: librarySigner(open), bytes: true})
}

func TestGoSvix(t *testing.T) {
	open := func(secret string) (goStandard, error) { return svix.NewWebhook(secret) }
	name := moduleVersion(t, "github.com/svix/svix-webhooks")
	testStandard(t, standardClient{name: name, listen: libraryReceiver(open), sign: librarySigner(open), bytes: true,
		svix: true})
}

func testStandard(t *testing.T, c standardClient) {
	g := sharedGateway(t)
	// deliverAndVerify delivers one body to a destination that signs with secrets. The library verifies the delivery
	// with secret.
	deliverAndVerify := func(t *testing.T, body string, secret string, secrets any) verified {
		t.Helper()
		s := g.openSource(t)
		url, next := c.listen(t, secret, 0)
		d := s.newDestination(t, "http", url, settings{"format": "standard", "secret": secrets})
		s.post(t, "application/json", body)
		got := next()
		if got.body != body || !got.refusesTampered {
			t.Errorf("verified body %q, changed body refused: %t; want %q, true", got.body, got.refusesTampered, body)
		}
		d.waitUntilDelivered(t)
		return got
	}
	for _, sample := range []struct{ name, body string }{
		{"JSON, verified; a body with one more byte is refused", `{"type":"invoice.paid","data":{"amount":4200}}`},
		{"text beyond ASCII and irregular spacing", "{ \"text\" :\t\"Grüße, 世界 \\u00e9 👋\" }\r\n"},
	} {
		check(t, c.name, deliver, sample.name,
			func(t *testing.T) { deliverAndVerify(t, sample.body, standardSecret, standardSecret) })
	}
	if c.bytes {
		check(t, c.name, deliver, "bytes that are not text",
			func(t *testing.T) { deliverAndVerify(t, allBytes(), standardSecret, standardSecret) })
	} else {
		check(t, c.name, deliver, "bytes that are not text: the client cannot verify them", func(t *testing.T) {
			s := g.openSource(t)
			url, _ := c.listen(t, standardSecret, 0)
			d := s.newDestination(t, "http", url, settings{"secret": standardSecret},
				settings{"retry": settings{"schedule": "none"}})
			s.post(t, "application/octet-stream", allBytes())
			if v := d.waitForDelivery(t, "dead"); v.Last.Status != http.StatusBadRequest {
				t.Errorf("answered %d", v.Last.Status)
			}
		})
		check(t, c.name, deliver, "the same bytes in format envelope", func(t *testing.T) {
			s := g.openSource(t)
			url, next := c.listen(t, standardSecret, 0)
			d := s.newDestination(t, "http", url, settings{"format": "envelope", "secret": standardSecret})
			s.post(t, "application/octet-stream", allBytes())
			if got := next(); !strings.Contains(got.body, "data_base64") {
				t.Errorf("verified %q", got.body)
			}
			d.waitUntilDelivered(t)
		})
	}
	check(t, c.name, deliver, "either secret of a rotation", func(t *testing.T) {
		for _, secret := range []string{standardSecret, olderSecret} {
			got := deliverAndVerify(t, `{"n":1}`, secret, []string{standardSecret, olderSecret})
			if strings.Count(got.signature, "v1,") != 2 {
				t.Errorf("signed %q, want two signatures", got.signature)
			}
		}
	})
	check(t, c.name, deliver, "a second attempt: same id, new signature", func(t *testing.T) {
		s := g.openSource(t)
		url, next := c.listen(t, standardSecret, 1)
		d := s.newDestination(t, "http", url, settings{"secret": standardSecret},
			settings{"retry": settings{"schedule": []string{"1s"}}})
		s.post(t, "application/json", `{"n":2}`)
		first, second := next(), next()
		if first.id != second.id || first.signature == second.signature {
			t.Errorf("the first attempt is %+v, the second %+v", first, second)
		}
		if v := d.waitUntilDelivered(t); v.Attempts != 2 {
			t.Errorf("%d attempts, want 2", v.Attempts)
		}
	})

	const body = "{ \"type\" : \"contact.created\", \"data\": \"é\" }\n"
	message := func(s source) standardMessage {
		return standardMessage{to: s.URL, secret: standardSecret, id: "msg_" + s.Name, body: body, at: time.Now()}
	}
	newSource := func(t *testing.T) source {
		return g.newSource(t, "standardwebhooks", settings{"secret": standardSecret})
	}
	// sendAccepted lets the library sign and post m, which s must accept as its only event.
	sendAccepted := func(t *testing.T, s source, m standardMessage) {
		t.Helper()
		if status := c.sign(t, m); status != http.StatusAccepted {
			t.Fatalf("answered %d: %v", status, s.refusals(t))
		}
		if ev := s.onlyEvent(t); ev.Body != m.body {
			t.Errorf("the stored body is %q, want %q", ev.Body, m.body)
		}
	}
	check(t, c.name, receive, "signed by it, stored byte for byte; the same id again is one event",
		func(t *testing.T) {
			s := newSource(t)
			sendAccepted(t, s, message(s))
			sendAccepted(t, s, message(s))
		})
	check(t, c.name, receive, "its signature after others in one header", func(t *testing.T) {
		s := newSource(t)
		m := message(s)
		m.others = []string{"v1a,bm90IG9uZQ==", "v1,K5oZfzN95Z9UVu1EsfQmfVNQhnkZ2pj9o9NDN/H/pI4="}
		sendAccepted(t, s, m)
	})
	if c.svix {
		check(t, c.name, receive, "svix-id, svix-timestamp, svix-signature", func(t *testing.T) {
			s := newSource(t)
			m := message(s)
			m.family = "svix"
			sendAccepted(t, s, m)
		})
	}
	check(t, c.name, receive, "wrong secret, or a timestamp ten minutes old: 401", func(t *testing.T) {
		s := newSource(t)
		stale, forged := message(s), message(s)
		stale.at, forged.secret = stale.at.Add(-10*time.Minute), olderSecret
		for _, m := range []standardMessage{stale, forged} {
			if status := c.sign(t, m); status != http.StatusUnauthorized {
				t.Errorf("answered %d", status)
			}
		}
		if n := len(s.events(t)); n != 0 {
			t.Errorf("%d events are stored, want none", n)
		}
	})
}

// allBytes returns the bytes 0 to 255.
func allBytes() string {
	b := make([]byte, 256)
	for i := range b {
		b[i] = byte(i)
	}
	return string(b)
}

// scriptReceiver returns the function listen of a client whose receiver is a script.
func scriptReceiver(file string) func(*testing.T, string, int) (string, func() verified) {
	return func(t *testing.T, secret string, fail int) (string, func() verified) {
		p := startReceiver(t, file, settings{"secret": secret, "fail": fail})
		return p.URL, func() verified {
			line := p.next()
			body, _ := line["body"].(string)
			id, _ := line["id"].(string)
			signature, _ := line["signature"].(string)
			return verified{body, id, signature, line["refusesTampered"] == true}
		}
	}
}

// scriptSigner returns the function sign of a client that is a script.
func scriptSigner(file string) func(*testing.T, standardMessage) int {
	return func(t *testing.T, m standardMessage) int {
		s := settings{"to": m.to, "secret": m.secret, "id": m.id, "at": m.at.Unix(), "body": m.body,
			"others": m.others}
		if m.family != "" {
			s["family"] = m.family
		}
		status, _ := startScript(t, file, s).next()["status"].(float64)
		return int(status)
	}
}

// goStandard has the methods that both Go libraries have.
type goStandard interface {
	Verify(payload []byte, headers http.Header) error
	Sign(id string, at time.Time, payload []byte) (string, error)
}

// libraryReceiver returns the function listen of a Go library.
func libraryReceiver(open func(string) (goStandard, error)) func(*testing.T, string, int) (string, func() verified) {
	return func(t *testing.T, secret string, fail int) (string, func() verified) {
		library, err := open(secret)
		if err != nil {
			t.Fatal(err)
		}
		s := listen(t, func(w http.ResponseWriter, c call) {
			if fail > 0 {
				fail--
				w.WriteHeader(http.StatusInternalServerError)
			}
		})
		return s.URL, func() verified {
			t.Helper()
			c := s.next()
			if err := library.Verify(c.body, c.header); err != nil {
				t.Fatalf("the library cannot verify the delivery: %v", err)
			}
			tampered := library.Verify(append(c.body[:len(c.body):len(c.body)], ' '), c.header)
			return verified{string(c.body), c.header.Get("webhook-id"), c.header.Get("webhook-signature"),
				tampered != nil}
		}
	}
}

// librarySigner returns the function sign of a Go library.
func librarySigner(open func(string) (goStandard, error)) func(*testing.T, standardMessage) int {
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

// post posts body with the headers h and returns the status of the response.
func post(t *testing.T, to string, h http.Header, body string) int {
	t.Helper()
	req, err := http.NewRequest(http.MethodPost, to, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for k, v := range h {
		req.Header[http.CanonicalHeaderKey(k)] = v
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	io.Copy(io.Discard, resp.Body)
	return resp.StatusCode
}
