package cloudevents_test

import (
	"net/http"
	"reflect"
	"testing"

	"github.com/bellhop-gateway/bellhop/provider"
)

func handshake(t *testing.T, settings, callback string) provider.HandshakeRequest {
	t.Helper()
	g, err := renderer(t, settings).(provider.Handshaker).Handshake(provider.AttemptInfo{URL: "https://receiver.example/x", Callback: callback})
	if err != nil {
		t.Fatal(err)
	}
	return g
}

func TestHandshake(t *testing.T) {
	g := handshake(t, `{"origin":"hooks.example.com","rate":120,"bearer_token":"t"}`, "https://hooks.example.com/agree/1")
	want := http.Header{"Webhook-Request-Origin": {self}, "Webhook-Request-Rate": {"120"}, "Webhook-Request-Callback": {"https://hooks.example.com/agree/1"}}
	if g.URL != "" || g.Request.Method != "OPTIONS" || !reflect.DeepEqual(g.Request.Header, want) || g.Request.Body != nil {
		t.Errorf("got %+v", g)
	}
	if g := handshake(t, `{"origin":"hooks.example.com"}`, ""); len(g.Request.Header) != 1 {
		t.Errorf("got %+v", g.Request)
	}
	if _, err := renderer(t, `{}`).(provider.Handshaker).Handshake(provider.AttemptInfo{}); err == nil {
		t.Error("asks without a name to ask under")
	}
}

func TestReadConsent(t *testing.T) {
	type answer struct {
		status       int
		origin, rate []string
	}
	const later, refused = "later", "refused"
	none := []string(nil)
	for _, c := range []struct {
		name      string
		answer    answer
		want      float64
		otherwise string // where no callback was offered, and where one was
		offered   string
	}{
		{name: "as asked", answer: answer{200, []string{self}, []string{"120"}}, want: 2},
		{name: "204", answer: answer{204, []string{self}, []string{"120"}}, want: 2},
		{name: "in another case", answer: answer{200, []string{"Hooks.Example.COM"}, []string{"60"}}, want: 1},
		{name: "anyone, any rate", answer: answer{200, []string{"*"}, []string{"*"}}},
		{name: "less than asked", answer: answer{200, []string{self}, []string{"6"}}, want: 0.1},
		{name: "no rate", answer: answer{200, []string{self}, none}, want: 2},
		{name: "rate 0", answer: answer{200, []string{self}, []string{"0"}}, otherwise: refused, offered: refused},
		{name: "rate odd", answer: answer{200, []string{self}, []string{"soon"}}, otherwise: refused, offered: refused},
		{name: "two rates", answer: answer{200, []string{self}, []string{"1", "2"}}, otherwise: refused, offered: refused},
		{name: "a bare 200, as of any server", answer: answer{200, none, none}, otherwise: refused, offered: later},
		{name: "another origin", answer: answer{200, []string{"hooks.example.com.evil.example.net"}, none}, otherwise: refused, offered: refused},
		{name: "a part of the origin", answer: answer{200, []string{"example.com"}, none}, otherwise: refused, offered: refused},
		{name: "two origins", answer: answer{200, []string{self, self}, none}, otherwise: refused, offered: refused},
		{name: "empty origin", answer: answer{200, []string{""}, none}, otherwise: refused, offered: refused},
		{name: "405", answer: answer{405, none, none}, otherwise: refused, offered: later},
		{name: "an error with consent in it", answer: answer{500, []string{self}, []string{"1"}}, otherwise: refused, offered: refused},
		{name: "503", answer: answer{503, none, none}, otherwise: refused, offered: refused},
		{name: "429", answer: answer{429, none, none}, otherwise: refused, offered: refused},
		{name: "a redirect", answer: answer{302, []string{self}, none}, otherwise: refused, offered: refused},
	} {
		for callback, want := range map[string]string{"": c.otherwise, "https://hooks.example.com/agree/1": c.offered} {
			h := http.Header{"Webhook-Allowed-Origin": c.answer.origin, "Webhook-Allowed-Rate": c.answer.rate}
			agreed, err := handshake(t, `{"origin":"hooks.example.com","rate":120}`, callback).Read(c.answer.status, h, nil)
			switch {
			case (err != nil) != (want == refused), agreed.Pending != (want == later):
				t.Errorf("%s, callback %q: %+v, %v", c.name, callback, agreed, err)
			case want == "" && agreed.Rate != c.want:
				t.Errorf("%s: %v deliveries a second, want %v", c.name, agreed.Rate, c.want)
			}
		}
	}
}
