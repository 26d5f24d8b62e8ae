package ams_test

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/provider"
	"github.com/bellhop-gateway/bellhop/provider/ams"
	"github.com/bellhop-gateway/bellhop/provider/providertest"
)

func render(t *testing.T, account string, ev bellhop.Event) (provider.OutboundRequest, error) {
	t.Helper()
	r := providertest.OpenSender(t, ams.Provider{},
		providertest.JSON(map[string]any{"signing_key": newKey(0), "account_id": account}))
	return r.Render(&ev, provider.AttemptInfo{})
}

func TestSendOther(t *testing.T) {
	m, err := render(t, account, bellhop.Event{
		ID: "evt_1", Type: "invoice.paid", Subject: "in_1", Time: time.Date(2026, 11, 22, 9, 15, 30, 123456789,
			time.FixedZone("", 3600)),
		Body: []byte(
			`{"id":"in_1","n":12345678901234567890,"ok":true,"none":null,"lines":[{"a": 1}],"accountid":"x","long":"` +
				strings.Repeat("x", 1025) + `"}`),
	})
	if err != nil {
		t.Fatal(err)
	}
	const want = `{"MessageVersion":"1.1","ETag":"7d4e5a76eae6d8c165410ac19fe6756521ba86ed96752d0126b1953b155af052","EventType":0,` +
		`"TimeStamp":"2026-11-22T08:15:30.1234567Z","Properties":{"AccountId":"` + account +
		`","EventId":"evt_1","EventName":"invoice.paid",` +
		`"Subject":"in_1","id":"in_1","lines":"[{\"a\": 1}]","n":"12345678901234567890","none":"","ok":"true"}}`
	if got := string(m.Body); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if got := m.Header.Get("ms-mediaservices-accountid"); got != account {
		t.Errorf("account %q", got)
	}
}

func TestSendOtherBodies(t *testing.T) {
	properties := func(body string) map[string]string {
		m, err := render(t, "a", bellhop.Event{ID: "evt_1", Type: "t", Body: []byte(body)})
		if err != nil {
			t.Fatal(err)
		}
		var document struct{ Properties map[string]string }
		if err := json.Unmarshal(m.Body, &document); err != nil {
			t.Fatal(err)
		}
		return document.Properties
	}
	always := map[string]string{"AccountId": "a", "EventId": "evt_1", "EventName": "t"}
	for body, more := range map[string]string{
		"plain words": "plain words", "[1,2]": "[1,2]", `{"a":1`: `{"a":1`, "": "", "\xff": "-", strings.Repeat("x",
			1025): "-", "{}": "-",
	} {
		want := map[string]string{}
		for name, value := range always {
			want[name] = value
		}
		if more != "-" {
			want["Body"] = more
		}
		if got := properties(body); !reflect.DeepEqual(got, want) {
			t.Errorf("%.20q: got %q", body, got)
		}
	}
	wide := make(map[string]int)
	for i := range 500 {
		wide[strings.Repeat("x", i)] = i
	}
	if n := len(properties(providertest.JSON(wide))); n > 64+4 {
		t.Errorf("%d properties", n)
	}
}

func TestSendNative(t *testing.T) {
	native := bellhop.Event{ID: "evt_1", Type: "ams.TaskStateChange", Body: []byte(document("4"))}
	for _, setting := range []string{"", account, strings.ToUpper(account)} {
		m, err := render(t, setting, native)
		if err != nil || string(m.Body) != string(native.Body) ||
			m.Header.Get("ms-mediaservices-accountid") != account {
			t.Errorf("as %q: %+v, %v", setting, m, err)
		}
	}
	if _, err := render(t, "another", native); err == nil || !strings.Contains(err.Error(), "settings.account_id") {
		t.Errorf("another account: %v", err)
	}
	otherEvent := bellhop.Event{ID: "evt_1", Type: "invoice.paid", Body: native.Body}
	if _, err := render(t, "", otherEvent); err == nil || !strings.Contains(err.Error(), "settings.account_id") {
		t.Errorf("no account: %v", err)
	}
	odd := bellhop.Event{ID: "evt_1", Type: "ams.X",
		Body: []byte(`{"EventType":1,"Properties":{"AccountId":"a\nb: c"}}`)}
	if _, err := render(t, "", odd); err == nil {
		t.Error("rendered an account id that adds a header")
	}
}

func TestSendWithOneKey(t *testing.T) {
	_, err := ams.Provider{}.OpenSender(provider.Env{},
		[]byte(providertest.JSON(map[string]any{"signing_key": []string{newKey(0), newKey(1)}})))
	if err == nil || !strings.HasPrefix(err.Error(), "signing_key: ") {
		t.Errorf("got %v", err)
	}
}
