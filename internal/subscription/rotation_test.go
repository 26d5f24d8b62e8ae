package subscription_test

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/emulator"
	"github.com/bellhop-gateway/bellhop/emulator/entra"
	"github.com/bellhop-gateway/bellhop/provider"
)

// signInAs has the calls at the providers made with a token of the application appID, and has the source "calendar"
// take encrypted content that is for it.
func (r *rig) signInAs() {
	r.Helper()
	form := url.Values{"grant_type": {"client_credentials"}, "client_id": {appID},
		"client_secret": {entra.DefaultSecret}, "scope": {"https://graph.microsoft.com/.default"}}
	answer, err := r.Do(r.ctx, provider.Call{Method: http.MethodPost, Path: "/contoso.example/oauth2/v2.0/token",
		Header: http.Header{"Content-Type": {"application/x-www-form-urlencoded"}}, Body: []byte(form.Encode())})
	r.must(err)
	var got struct {
		Token string `json:"access_token"`
	}
	r.must(json.Unmarshal(answer.Body, &got))
	keys, err := r.Do(r.ctx, provider.Call{Method: http.MethodGet, Path: "/common/discovery/v2.0/keys"})
	r.must(err)
	settings, err := json.Marshal(map[string]any{"subscriptions_only": true, "app_id": appID,
		"keys": json.RawMessage(keys.Body)})
	r.must(err)
	r.mu.Lock()
	r.token = got.Token
	for i := range r.sources {
		if r.sources[i].Name == "calendar" {
			r.sources[i].Settings = settings
		}
	}
	r.mu.Unlock()
	r.manager.SetSources(r.list())
}

// change lets an event of a calendar change, with this subject.
func (r *rig) change(subject string) {
	r.Helper()
	_, err := r.host.Happen(emulator.Event{System: "graph", Resource: "users/ada/events", ChangeType: "created",
		Data: map[string]any{"subject": subject}})
	r.must(err)
}

// came reports how many events arrived with this subject in their decrypted content, and how many whose content could
// not be decrypted.
func (r *rig) came(subject string) (clear, sealed int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, ev := range r.arrived {
		var item struct{ Content struct{ Subject string } }
		r.must(json.Unmarshal(ev.Body, &item))
		if item.Content.Subject == subject {
			clear++
		}
		if strings.Contains(ev.Type, "sealed") || strings.Contains(string(ev.Body), "encryptedContent") {
			sealed++
		}
	}
	return clear, sealed
}

// certificateOf returns the id of the newest certificate of a subscription, and how many it has.
func (r *rig) certificateOf(name string) (id string, kept int) {
	r.Helper()
	list := r.show(name).Secrets.Certificates
	var c provider.Certificate
	if len(list) > 0 {
		r.must(json.Unmarshal(list[0], &c))
	}
	return c.ID, len(list)
}

// TestCertificateRotation shows that content is decrypted before and after the certificate was replaced by a renewal,
// and that content which was encrypted for the certificate before, and is still on its way, is decrypted too.
func TestCertificateRotation(t *testing.T) {
	bubble(t, func(r *rig) {
		r.signInAs()
		sub := bellhop.Subscription{ID: "sub_rich", Name: "rich", Provider: "graph", SourceID: "src_calendar",
			ConnectionID: "con_1", Resource: "users/ada/events?$select=subject", ChangeTypes: []string{"created"},
			Settings:  []byte(`{"include_resource_data":true}`),
			CreatedAt: time.Now(), UpdatedAt: time.Now()}
		_, err := r.manager.Create(r.ctx, sub)
		r.must(err)
		r.wantState("rich", bellhop.SubscriptionActive)
		first, _ := r.certificateOf("rich")
		want := func(subject string) {
			t.Helper()
			if clear, sealed := r.came(subject); clear != 1 || sealed != 0 {
				t.Errorf("%s: %d events with the content, %d that could not be decrypted; refused: %v", subject,
					clear, sealed, r.refused)
			}
		}
		r.change("before")
		r.pass(time.Second)
		want("before")

		r.pass(170 * 24 * time.Hour)
		if id, n := r.certificateOf("rich"); id != first || n != 1 {
			t.Fatalf("the certificate is %s of %d, before its time", id, n)
		}
		// The door is closed while an event happens and the certificate is replaced. The stand-in tries again.
		r.mu.Lock()
		r.down = true
		r.mu.Unlock()
		for {
			r.pass(2 * time.Hour)
			if id, _ := r.certificateOf("rich"); id != first {
				break
			}
			r.change("in flight") // each is given up after four hours
		}
		r.mu.Lock()
		r.down = false
		r.mu.Unlock()
		r.pass(4 * time.Hour)
		if clear, sealed := r.came("in flight"); clear == 0 || sealed != 0 {
			t.Errorf("%d events that were on their way came, %d of them encrypted; refused: %v", clear, sealed,
				r.refused)
		}
		second, kept := r.certificateOf("rich")
		if second == first || kept != 2 {
			t.Errorf("certificate %s after %s, %d kept", second, first, kept)
		}
		r.change("after")
		r.pass(time.Second)
		want("after")
		usedCertificates := map[string]bool{}
		r.mu.Lock()
		for _, call := range r.host.Calls() {
			for _, id := range []string{first, second} {
				if call.Direction == emulator.CallOut && strings.Contains(string(call.RequestBody), id) {
					usedCertificates[id] = true
				}
			}
		}
		r.mu.Unlock()
		if !usedCertificates[first] || !usedCertificates[second] {
			t.Errorf("the stand-in encrypted for %v", usedCertificates)
		}
		r.wantState("rich", bellhop.SubscriptionActive)
	}, calmly)
}
