package delivery

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/provider"
	"github.com/bellhop-gateway/bellhop/provider/ams"
	"github.com/bellhop-gateway/bellhop/signature"
)

// TestSigned: each attempt verifies with each of the secrets. All attempts have the same id; each has its own time.
func TestSigned(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		r := newRig(t)
		to := r.network.receiver("signed")
		to.will(status(500))
		r.destination(to, func(d *bellhop.Destination) {
			d.Settings = []byte(`{"secret":["` + newSecret + `","` + oldSecret + `"],"headers":{"X-Team":"a"}}`)
		})
		deliveries := r.accept(bellhop.Event{ContentType: "text/plain", Header: bellhop.Header("Bellhop-Hops: 2\n"),
			Body: []byte("hello")})
		time.Sleep(3 * time.Hour)
		calls := to.got()
		if len(calls) != 5 {
			t.Fatalf("%d attempts", len(calls))
		}
		seen := map[string]bool{}
		for i, c := range calls {
			for _, secret := range []string{newSecret, oldSecret} {
				wantSigned(t, c, secret)
			}
			for name, want := range map[string]string{
				"Webhook-Id": r.only().EventID, "Bellhop-Event-Id": r.only().EventID,
				"Bellhop-Delivery-Id": deliveries[0].DeliveryID,
				"Bellhop-Attempt":     string(rune('1' + i)), "Bellhop-Hops": "3", "Content-Type": "text/plain",
				"X-Team":     "a",
				"User-Agent": "Bellhop",
			} {
				if got := c.header[name]; len(got) != 1 || got[0] != want {
					t.Errorf("attempt %d: %s: %q, want %q", i+1, name, got, want)
				}
			}
			seen[c.header.Get("Webhook-Timestamp")] = true
		}
		if len(seen) != 5 {
			t.Errorf("times: %v", seen)
		}
		other, err := signature.ParseStandardKey("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSx")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := signature.VerifyStandardHeader(calls[0].header, []byte("hello"), []signature.StandardKey{other},
			calls[0].at, 0); err != signature.ErrMismatch {
			t.Errorf("another secret: %v", err)
		}
	})
}

// TestDialect: the receiver of a provider accepts a delivery in the provider's dialect.
func TestDialect(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		r := newRig(t)
		to := r.network.receiver("media")
		r.destination(to, func(d *bellhop.Destination) {
			d.Type, d.Settings = "ams", []byte(`{"signing_key":"`+amsKey+`","account_id":"acct"}`)
		})
		r.accept(bellhop.Event{Type: "invoice.paid", ContentType: "application/json", Body: []byte(`{"amount":5}`)})
		time.Sleep(time.Second)
		calls := to.got()
		if len(calls) != 1 {
			t.Fatalf("%d attempts", len(calls))
		}
		env := provider.Env{Now: time.Now, Logger: slog.New(slog.DiscardHandler)}
		receiver, err := ams.Provider{}.Open(env, []byte(`{"signing_key":"`+amsKey+`","account_id":"acct"}`))
		if err != nil {
			t.Fatal(err)
		}
		got, err := receiver.Receive(context.Background(), &provider.Request{Method: calls[0].method,
			Target: calls[0].path, Header: calls[0].header,
			Body: []byte(calls[0].body), ReceivedAt: calls[0].at})
		if err != nil || len(got.Events) != 1 {
			t.Errorf("%+v %v", got, err)
		}
		if calls[0].header.Get("Bellhop-Delivery-Id") == "" || calls[0].header.Get("Bellhop-Hops") != "1" {
			t.Errorf("without our ids: %v", calls[0].header)
		}
	})
}
