package graph_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/provider"
	"github.com/bellhop-gateway/bellhop/provider/graph"
	"github.com/bellhop-gateway/bellhop/provider/providertest"
)

// plainOnly removes the settings of content from sendSettings.
var plainOnly = map[string]any{"encryption_certificate": nil, "encryption_certificate_id": nil, "token_key": nil,
	"token_key_id": nil, "app_id": nil}

func openSender(t testing.TB, settings string) provider.Batcher {
	t.Helper()
	env := provider.Env{Now: func() time.Time { return providertest.Now }, Rand: rand.NewChaCha8([32]byte{5})}
	r, err := graph.Provider{}.OpenSender(env, []byte(settings))
	if err != nil {
		t.Fatal(err)
	}
	return r.(provider.Batcher)
}

var sending = provider.AttemptInfo{DeliveryID: "dlv_1", Attempt: 1, Time: providertest.Now,
	URL: "https://receiver.example/in/graph"}

func otherEvent() *bellhop.Event {
	return &bellhop.Event{
		ID: "evt_1", Type: "invoice.paid", Source: "billing", Subject: "in_1", ContentType: "application/json",
		ReceivedAt: providertest.Now, Time: providertest.Now.Add(-time.Minute),
		Body: []byte(`{"id":"in_1","amount":12.50}`),
	}
}

func TestSendOtherPlain(t *testing.T) {
	m, err := openSender(t, sendSettings(state, plainOnly)).Render(otherEvent(), sending)
	const want = `{"value":[{"id":"evt_1","subscriptionId":"7f105c7d-2dc5-4530-97cd-4e7ae6534c07","subscriptionExpirationDateTime":"2026-11-25T09:00:00.0000000Z",` +
		`"clientState":"` + state + `","changeType":"created","resource":"bellhop/events/evt_1","tenantId":"` +
		tenant +
		`",` +
		`"resourceData":{"@odata.type":"#Bellhop.Event","@odata.id":"bellhop/events/evt_1","id":"evt_1","type":"invoice.paid","subject":"in_1"}}]}`
	if err != nil || string(m.Body) != want {
		t.Errorf("got %s, %v", m.Body, err)
	}
	receipt, err := receive(t, settings(state, nil), m.Body)
	if err != nil || len(receipt.Events) != 1 || receipt.Events[0].ProviderID == "" {
		t.Errorf("arrives as %+v, %v", receipt, err)
	}
	m, err = openSender(t, providertest.JSON(map[string]any{"client_state": state})).Render(otherEvent(), sending)
	if const0 := "00000000-0000-0000-0000-000000000000"; err != nil || bytes.Count(m.Body, []byte(const0)) != 2 {
		t.Errorf("got %s, %v", m.Body, err)
	}
}

// TestSendExpiry: the subscription in a notification expires with the destination.
func TestSendExpiry(t *testing.T) {
	at := sending
	at.ExpiresAt = providertest.Now.Add(36 * time.Hour)
	m, err := openSender(t, sendSettings(state, plainOnly)).Render(otherEvent(), at)
	if err != nil || !strings.Contains(string(m.Body),
		`"subscriptionExpirationDateTime":"2026-11-23T21:00:00.0000000Z"`) {
		t.Errorf("got %s, %v", m.Body, err)
	}
}

// deliver sends events to a source that has the vectors' certificate, and returns their contents.
func deliver(t *testing.T, events ...*bellhop.Event) (contents []map[string]any) {
	t.Helper()
	m, err := openSender(t, sendSettings(state, nil)).RenderBatch(events, sending)
	if err != nil {
		t.Fatal(err)
	}
	for _, ev := range events {
		if len(ev.Body) > 10 && bytes.Contains(m.Body, ev.Body) {
			t.Errorf("the body is sent unencrypted: %s", m.Body)
		}
	}
	receipt, err := receive(t, settings(state, nil), m.Body)
	if err != nil || len(receipt.Events) != len(events) {
		t.Fatalf("arrives as %+v, %v", receipt, err)
	}
	for _, ev := range receipt.Events {
		var body struct{ Content map[string]any }
		if err := json.Unmarshal(ev.Body, &body); err != nil {
			t.Fatal(err)
		}
		contents = append(contents, body.Content)
	}
	return contents
}

func TestSendOtherRich(t *testing.T) {
	got := deliver(t, otherEvent())[0]
	want := map[string]any{
		"@odata.type": "#Bellhop.Event", "id": "evt_1", "type": "invoice.paid", "source": "billing", "subject": "in_1",
		"time": "2026-11-22T08:59:00Z", "contentType": "application/json", "data": map[string]any{"id": "in_1",
			"amount": 12.5},
	}
	if providertest.JSON(got) != providertest.JSON(want) {
		t.Errorf("got %v", got)
	}
	for body, isJSON := range map[string]bool{
		`{"a":1}`: true, `[1]`: true, `"x"`: true, `null`: true, ` 1 `: true, ``: false, `x`: false, "\xff": false,
		"{\"a\":\"\xff\"}": false,
		`1,"b":2`:          false, strings.Repeat("[", 61) + strings.Repeat("]",
			61): true, strings.Repeat("[", 63) + strings.Repeat("]", 63): false,
	} {
		ev := otherEvent()
		ev.Body = []byte(body)
		got := deliver(t, ev)[0]
		data, inJSON := got["data"]
		base, _ := base64.StdEncoding.DecodeString(fmt.Sprint(got["dataBase64"]))
		if inJSON != isJSON || !isJSON && body != "" && string(base) != body || isJSON &&
			!bytes.Equal(compact(body), []byte(providertest.JSON(data))) {
			t.Errorf("%q: got %v", body, got)
		}
	}
}

func compact(text string) []byte {
	var b bytes.Buffer
	if json.Compact(&b, []byte(text)) != nil {
		return nil
	}
	return b.Bytes()
}

func TestChangeType(t *testing.T) {
	for eventType, want := range map[string]string{
		"invoice.paid": "created", "page.created": "created", "page.updated": "updated", "Page.Deleted": "deleted",
		"deleted": "deleted", "undeleted": "created", "x.updated.y": "created",
	} {
		ev := otherEvent()
		ev.Type = eventType
		m, err := openSender(t, sendSettings(state, plainOnly)).Render(ev, sending)
		if err != nil || !bytes.Contains(m.Body, []byte(`"changeType":"`+want+`"`)) {
			t.Errorf("%s: got %s, %v", eventType, m.Body, err)
		}
	}
}

// received returns the events of a request, as the store returns them.
func received(t testing.TB, settings string, body []byte) (events []*bellhop.Event) {
	t.Helper()
	receipt, err := receive(t, settings, body)
	if err != nil || len(receipt.Events) == 0 {
		t.Fatalf("got %+v, %v", receipt, err)
	}
	for i := range receipt.Events {
		receipt.Events[i].ID = fmt.Sprintf("evt_%d", i)
		events = append(events, &receipt.Events[i])
	}
	return events
}

// An event from Graph keeps its bytes except for the client state: the source's client state is not sent on.
func TestSendNative(t *testing.T) {
	native := received(t, settings(state, nil), []byte(plain()))[0]
	r := openSender(t, sendSettings(otherState, plainOnly))
	m, err := r.Render(native, sending)
	if want := strings.Replace(plain(), state, otherState, 1); err != nil || string(m.Body) != want {
		t.Errorf("got %s, %v, want %s", m.Body, err, want)
	}
	stateless := received(t, settings(nil, map[string]any{"client_state": nil, "unauthenticated": true}),
		[]byte(plainWithout(`"clientState":"`+state+`",`)))[0]
	m, err = r.Render(stateless, sending)
	if want := strings.Replace(string(stateless.Body), "{", `{"clientState":"`+otherState+`",`, 1); err != nil ||
		string(m.Body) != `{"value":[`+want+`]}` {
		t.Errorf("got %s, %v, want %s", m.Body, err, want)
	}
	other := *native
	other.Type = "invoice.paid" // an event of another system that resembles Graph's
	if m, err = r.Render(&other, sending); err != nil || bytes.Contains(m.Body, native.Body) {
		t.Errorf("got %s, %v", m.Body, err)
	}
}

// Decrypted content is encrypted again, for the certificate of the destination.
func TestSendNativeRich(t *testing.T) {
	opened := received(t, settings(state, nil), []byte(richBody(goodToken())))[0]
	second := readContents()[1]
	to := sendSettings(otherState,
		map[string]any{"encryption_certificate": second.certificate(), "encryption_certificate_id": "second"})
	m, err := openSender(t, to).Render(opened, sending)
	if err != nil || bytes.Contains(m.Body, []byte("Hello")) || bytes.Contains(m.Body, []byte(`"`+certificateID+`"`)) {
		t.Fatalf("got %s, %v", m.Body, err)
	}
	again := received(t, settings(otherState, map[string]any{"certificates": map[string]string{"second": second.Key}}),
		m.Body)[0]
	if want := strings.Replace(string(opened.Body), state, otherState, 1); string(again.Body) != want ||
		again.Type != opened.Type {
		t.Errorf("got %s %s, want %s", again.Type, again.Body, want)
	}
	if _, err := openSender(t, sendSettings(state, plainOnly)).Render(opened, sending); err == nil ||
		!strings.Contains(err.Error(), "settings.encryption_certificate") {
		t.Errorf("sent without a certificate: %v", err)
	}
}

// Content that was not decrypted is sent unchanged, and the receiver may decrypt it.
func TestSendSealed(t *testing.T) {
	sealed := received(t, settings(state, map[string]any{"certificates": nil}), []byte(richBody(goodToken())))[0]
	m, err := openSender(t, sendSettings(state, nil)).Render(sealed, sending)
	if err != nil || !bytes.Contains(m.Body, sealed.Body) {
		t.Fatalf("got %s, %v", m.Body, err)
	}
	if got := received(t, settings(state, nil), m.Body)[0]; got.Type != "graph.created" ||
		!bytes.Contains(got.Body, []byte("Hello")) {
		t.Errorf("got %s %s", got.Type, got.Body)
	}
	if _, err := openSender(t, sendSettings(state, plainOnly)).Render(sealed, sending); err == nil ||
		!strings.Contains(err.Error(), "settings.token_key") {
		t.Errorf("sent without a token: %v", err)
	}
}

// A batch mixes plain and rich items, and has one token for each tenant of its rich items.
func TestSendBatch(t *testing.T) {
	body := rich([]string{goodToken(), sign(goodClaims(otherTenant))}, richChange(tenant), change("1"),
		richChange(otherTenant), richChange(tenant))
	events := received(t, settings(state, nil), body)
	m, err := openSender(t, sendSettings(state, nil)).RenderBatch(events, sending)
	var batch struct {
		Value            []json.RawMessage
		ValidationTokens []string
	}
	if err == nil {
		err = json.Unmarshal(m.Body, &batch)
	}
	if err != nil || len(batch.ValidationTokens) != 2 || len(batch.Value) != 4 {
		t.Fatalf("got %s, %v", m.Body, err)
	}
	for i, ev := range received(t, settings(state, nil), m.Body) {
		if ev.Type != events[i].Type || !bytes.Equal(ev.Body, events[i].Body) {
			t.Errorf("%d: got %s %s, want %s %s", i, ev.Type, ev.Body, events[i].Type, events[i].Body)
		}
	}
}

func TestSendHandshake(t *testing.T) {
	g, err := openSender(t, sendSettings(state, plainOnly)).(provider.Handshaker).Handshake(sending)
	if err != nil || !strings.HasPrefix(g.URL, sending.URL+"?validationToken=") ||
		g.Request.Header.Get("Content-Type") != "text/plain; charset=utf-8" || g.Request.Body != nil {
		t.Errorf("got %+v, %v", g, err)
	}
}
