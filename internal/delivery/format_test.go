package delivery

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/provider/microsoft"
	"github.com/bellhop-gateway/bellhop/provider/sharepoint"
)

const (
	oldSecret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
	newSecret = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"
	amsKey    = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
)

// TestFailingTemplateIsDead: if a template fails on an event, the delivery is dead with the message and no request is
// sent. The next event is sent.
func TestFailingTemplateIsDead(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		r := newRig(t)
		to := r.network.receiver("templated")
		r.destination(to, func(d *bellhop.Destination) {
			d.Settings = []byte(`{"format":"template","template":"data.a.b"}`)
		})
		r.accept(bellhop.Event{Body: []byte(`{}`)})
		synctest.Wait()
		d := r.only()
		if d.State != bellhop.DeliveryDead || d.Last == nil || d.Last.Error != "render" ||
			!strings.Contains(d.Last.Detail, "cannot fetch b from <nil>") || len(to.got()) != 0 {
			t.Errorf("%+v %+v, %d sent", d, d.Last, len(to.got()))
		}
		r.accept(bellhop.Event{Body: []byte(`{"a":{"b":"hello"}}`)})
		synctest.Wait()
		if got := to.got(); len(got) != 1 || got[0].body != "hello" {
			t.Errorf("%+v", got)
		}
	})
}

// TestGrace: while two secrets sign, both verify. After the grace period the new secret signs alone, without a change
// of the destination.
func TestGrace(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		r := newRig(t)
		to := r.network.receiver("rotating")
		r.destination(to, func(d *bellhop.Destination) {
			d.Settings = []byte(`{"secret":["` + newSecret + `","` + oldSecret + `"],"secret_until":"` +
				r.now().Add(time.Hour).UTC().Format(time.RFC3339) + `"}`)
		})
		r.acceptMany(1)
		synctest.Wait()
		time.Sleep(time.Hour)
		r.acceptMany(1)
		synctest.Wait()
		got := to.got()
		if len(got) != 2 {
			t.Fatalf("%d arrived", len(got))
		}
		wantSigned(t, got[0], oldSecret)
		wantSigned(t, got[0], newSecret)
		wantSigned(t, got[1], newSecret)
		if n := len(strings.Fields(got[1].header.Get("Webhook-Signature"))); n != 1 {
			t.Errorf("%d signatures after the grace", n)
		}
	})
}

// TestExpiryIsShown: in a dialect that has the end of a subscription, deliveries and previews show the expiry of the
// destination. A renewal of the destination changes it.
func TestExpiryIsShown(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		r := newRig(t, func(r *rig) { r.providers = append(r.providers, sharepoint.Provider{}) })
		to := r.network.receiver("to")
		end := time.Now().Add(48 * time.Hour)
		d := r.destination(to, func(d *bellhop.Destination) {
			d.Type, d.Settings, d.ExpiresAt = "sharepoint", []byte(`{"client_state":"s"}`), end
		})
		want := `"expirationDateTime":"` + microsoft.FormatTime(end) + `"`
		r.acceptMany(1)
		synctest.Wait()
		if got := to.got(); len(got) != 1 || !strings.Contains(got[0].body, want) {
			t.Errorf("got %+v, want %s", got, want)
		}
		d.ExpiresAt = end.Add(time.Hour)
		p, err := r.opener.Preview(d, bellhop.Event{Type: "invoice.paid", ContentType: "application/json",
			Body: []byte(`{}`)})
		if want := microsoft.FormatTime(d.ExpiresAt); err != nil || !strings.Contains(string(p.Body), want) {
			t.Errorf("previewed %s, %v, want %s", p.Body, err, want)
		}
	})
}
