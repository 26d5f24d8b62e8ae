package eventgrid_test

import (
	"context"
	"encoding/json"
	"net/http"
	"reflect"
	"strings"
	"testing"

	"github.com/bellhop-gateway/bellhop/provider"
	"github.com/bellhop-gateway/bellhop/provider/eventgrid"
	"github.com/bellhop-gateway/bellhop/provider/providertest"
)

func sendHandshake(t *testing.T, settings values, callback string) provider.HandshakeRequest {
	t.Helper()
	to := at
	to.Attempt, to.Callback = 1, callback
	g, err := openSender(t, settings).(provider.Handshaker).Handshake(to)
	if err != nil {
		t.Fatal(err)
	}
	return g
}

// What asks is as the sample is, but for its ids.
func TestHandshake(t *testing.T) {
	g := sendHandshake(t, values{"subscription_name": "recordingsub", "header": "X-Key", "header_secret": "k3y"}, "https://hooks.example/agree/1?x=y&z")
	var got, sample []map[string]any
	if json.Unmarshal(g.Request.Body, &got) != nil || json.Unmarshal([]byte(providertest.ReadFile(t, "testdata/handshake/subscription-validation-request.json")), &sample) != nil {
		t.Fatalf("%s", g.Request.Body)
	}
	data := got[0]["data"].(map[string]any)
	if len(got) != 1 || data["validationUrl"] != "https://hooks.example/agree/1?x=y&z" || len(data["validationCode"].(string)) != 36 {
		t.Errorf("asks by %s", g.Request.Body)
	}
	for name := range sample[0] {
		if _, ok := got[0][name].(string); !ok && name != "data" {
			t.Errorf("no %s", name)
		}
	}
	for _, name := range []string{"eventType", "metadataVersion", "dataVersion", "subject"} {
		if got[0][name] != sample[0][name] {
			t.Errorf("%s is %v, want %v", name, got[0][name], sample[0][name])
		}
	}
	want := http.Header{
		"Content-Type": {"application/json; charset=utf-8"}, "Aeg-Event-Type": {"SubscriptionValidation"}, "Aeg-Subscription-Name": {"RECORDINGSUB"},
		"Aeg-Delivery-Count": {"0"}, "Aeg-Data-Version": {"2"}, "Aeg-Metadata-Version": {"1"}, "X-Key": {"k3y"},
	}
	if !reflect.DeepEqual(g.Request.Header, want) {
		t.Errorf("got %v", g.Request.Header)
	}
	if again := sendHandshake(t, nil, ""); strings.Contains(string(again.Request.Body), "validationUrl") || !strings.Contains(string(again.Request.Body), `"validationCode"`) {
		t.Errorf("without a callback: %s", again.Request.Body)
	}
}

func TestSendHandshakeAnswers(t *testing.T) {
	const yes, later, no = "yes", "later", "no"
	for _, c := range []struct {
		status          int
		body            string
		want, withoutCB string
	}{
		{200, `{"validationResponse":"CODE"}`, yes, yes},
		{200, `{"other":1,"validationResponse":"CODE"}` + "\n", yes, yes},
		{202, `{"validationResponse":"CODE"}`, no, no},
		{204, "", no, no},
		{200, "", later, no},
		{200, "OK", later, no},
		{200, "{}", later, no},
		{200, `{"ValidationResponse":"CODE"}`, later, no},
		{200, `{"validationResponse":1}`, later, no},
		{200, `"CODE"`, later, no},
		{200, `CODE`, later, no},
		{200, `{"validationResponse":"other"}`, no, no},
		{200, `{"validationResponse":"CODE","validationResponse":"CODE"}`, no, no},
		{302, `{"validationResponse":"CODE"}`, no, no},
		{400, `{"validationResponse":"CODE"}`, no, no},
	} {
		for callback, want := range map[string]string{"https://hooks.example/agree": c.want, "": c.withoutCB} {
			g := sendHandshake(t, nil, callback)
			var asked []struct {
				Data struct{ ValidationCode string }
			}
			if err := json.Unmarshal(g.Request.Body, &asked); err != nil {
				t.Fatal(err)
			}
			body := strings.ReplaceAll(c.body, "CODE", asked[0].Data.ValidationCode)
			agreed, err := g.Read(c.status, http.Header{}, []byte(body))
			if got := describeAgreement(agreed, err); got != want {
				t.Errorf("%d %s, callback %q: got %s, %v, want %s", c.status, c.body, callback, got, err, want)
			}
		}
	}
}

func describeAgreement(agreed provider.HandshakeResult, err error) string {
	switch {
	case err != nil:
		return "no"
	case agreed.Pending:
		return "later"
	}
	return "yes"
}

// In CloudEvents' schema it asks by OPTIONS, which a source answers, and which carries no secret.
func TestSendHandshakeCloudEvents(t *testing.T) {
	g := sendHandshake(t, values{"schema": "cloudevents", "header": "X-Key", "header_secret": "k3y"}, "https://hooks.example/agree")
	h := g.Request.Header
	if g.Request.Method != "OPTIONS" || h.Get("WebHook-Request-Origin") != "eventgrid.azure.net" || h.Get("WebHook-Request-Callback") == "" || h.Get("X-Key") != "" {
		t.Errorf("asks by %s %v", g.Request.Method, h)
	}
	receipt, err := open(t, values{"query_secret": "s3cret"}).Receive(context.Background(), &provider.Request{Method: "OPTIONS", Target: "/in/grid", Header: h})
	if err != nil {
		t.Fatal(err)
	}
	if agreed, err := g.Read(receipt.Reply.Status, receipt.Reply.Header, receipt.Reply.Body); err != nil || agreed != (provider.HandshakeResult{}) {
		t.Errorf("got %+v, %v", agreed, err)
	}
	if agreed, err := g.Read(200, http.Header{}, nil); err != nil || !agreed.Pending {
		t.Errorf("without consent: %+v, %v", agreed, err)
	}
	if agreed, err := sendHandshake(t, values{"schema": "cloudevents"}, "").Read(200, http.Header{}, nil); err == nil {
		t.Errorf("without consent, and nobody to call: %+v", agreed)
	}
}

// A source that validates by hand agrees later.
func TestSendHandshakeByHand(t *testing.T) {
	g := sendHandshake(t, nil, "https://rp.eventgrid.azure.net/agree")
	tr := &transport{status: 200}
	r, err := eventgrid.Provider{}.Open(provider.Env{Client: &http.Client{Transport: tr}}, []byte(providertest.JSON(values{"unauthenticated": true, "validation": "manual"})))
	if err != nil {
		t.Fatal(err)
	}
	receipt, err := r.Receive(context.Background(), &provider.Request{Method: "POST", Header: g.Request.Header, Body: g.Request.Body})
	if err != nil {
		t.Fatal(err)
	}
	agreed, err := g.Read(receipt.Reply.Status, http.Header{}, receipt.Reply.Body)
	if err != nil || !agreed.Pending {
		t.Errorf("got %+v, %v", agreed, err)
	}
	if err := receipt.Reply.Then(context.Background()); err != nil || len(tr.asked) != 1 || tr.asked[0].URL.String() != "https://rp.eventgrid.azure.net/agree" {
		t.Errorf("%d calls, %v", len(tr.asked), err)
	}
}

// The answers that the vectors expect agree; so does the sample.
func TestValidationVectors(t *testing.T) {
	sample := handshake{Body: json.RawMessage(providertest.ReadFile(t, "testdata/handshake/subscription-validation-request.json"))}
	sample.Expect.Status, sample.Expect.ContentType = 200, "application/json; charset=utf-8"
	sample.Expect.Body = json.RawMessage(providertest.ReadFile(t, "testdata/handshake/subscription-validation-response.json"))
	for _, v := range append(handshakes(t), sample) {
		req := validation(string(v.Body))
		for name, value := range v.Headers {
			req.Header.Set(name, value)
		}
		receipt, err := open(t, values{"query_secret": secrets[0]}).Receive(context.Background(), req)
		if err != nil {
			t.Fatal(err)
		}
		var got, want any
		if json.Unmarshal(receipt.Reply.Body, &got) != nil || json.Unmarshal(v.Expect.Body, &want) != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: got %s, want %s", v.Name, receipt.Reply.Body, v.Expect.Body)
		}
		if receipt.Reply.Status != v.Expect.Status || receipt.Reply.ContentType != v.Expect.ContentType {
			t.Errorf("%s: got %d %s", v.Name, receipt.Reply.Status, receipt.Reply.ContentType)
		}
	}
}
