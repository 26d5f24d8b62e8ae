package generic_test

import (
	"encoding/hex"
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/provider"
	"github.com/bellhop-gateway/bellhop/provider/generic"
	"github.com/bellhop-gateway/bellhop/provider/providertest"
	"github.com/bellhop-gateway/bellhop/signature"
)

func post(body string, headers ...string) *provider.Request {
	req := &provider.Request{Method: "POST", Target: "/in/orders", Header: http.Header{}, Body: []byte(body)}
	for i := 0; i < len(headers); i += 2 {
		req.Header.Add(headers[i], headers[i+1])
	}
	return req
}

func TestType(t *testing.T) {
	for _, c := range []struct {
		more values
		req  *provider.Request
		want string // "" is a malformed body
	}{
		{nil, post(`{"type":"order.changed"}`), "order.changed"},
		{nil, post(`{"type":"two words"}`), generic.DefaultType},
		{nil, post(`{"type":7}`), generic.DefaultType},
		{nil, post(`{"Type":"x"}`), generic.DefaultType},
		{nil, post(`{"type":"x","type":"y"}`), generic.DefaultType},
		{nil, post(`[{"type":"x"}]`), generic.DefaultType},
		{nil, post(`type=x`), generic.DefaultType},
		{nil, post(``), generic.DefaultType},
		{values{"type": "fixed"}, post(`{"type":"x"}`), "fixed"},
		{values{"type": "fixed", "id_field": "id"}, post(`{"type":"x"}`), "fixed"},
		{values{"type_header": "X-Type"}, post(`{"type":"x"}`, "X-Type", "y"), "y"},
		{values{"type_header": "X-Type", "id_field": "id"}, post(`{"type":"x"}`, "X-Type", "y"), "y"},
		{values{"type_header": "X-Type"}, post(`{"type":"x"}`), generic.DefaultType},
		{values{"type_header": "X-Type"}, post(``, "X-Type", "y", "X-Type", "z"), generic.DefaultType},
		{values{"type_header": "X-Type"}, post(``, "X-Type", "two words"), generic.DefaultType},
		{values{"type_field": "event"}, post(`{"event":"x","type":"y"}`), "x"},
		{values{"type_field": "event"}, post(`{"type":"y"}`), generic.DefaultType},
		{values{"type_field": "event"}, post(`{"event":"x","event":"y"}`), ""}, // N01
		{values{"type_field": "event"}, post(`{"Event":"x"}`), generic.DefaultType},
		{values{"type_field": "event"}, post(`[]`), ""},
		{values{"type_field": "event"}, post(``), ""},
		{values{"type_field": "/event/type"}, post(`{"event":{"type":"x"},"type":"y"}`), "x"},
		{values{"type_field": "/event/type"}, post(`{"event":{"Type":"x"}}`), generic.DefaultType},
		{values{"type_field": "/event/type"}, post(`{"event":[{"type":"x"}]}`), generic.DefaultType},
		{values{"type_field": "/event/type"}, post(`{"event":"type"}`), generic.DefaultType},
		{values{"type_field": "/event/type"}, post(`{"event":{"type":"x","type":"y"}}`), ""},
		{values{"type_field": "/event/type"}, post(`{"event":{"type":"x"},"event":{"type":"y"}}`), ""},
		{values{"type_field": "/a~1b/c~0d"}, post(`{"a/b":{"c~d":"x"}}`), "x"},
		{values{"type_field": "a/b"}, post(`{"a/b":"x"}`), "x"},
		{values{"type_field": "/"}, post(`{"":"x"}`), "x"},
		{values{"id_field": "id"}, post(`{"type":"x"}`), "x"},
		{values{"id_field": "id"}, post(`no JSON`), ""},
	} {
		receipt, err := receive(t, with(none, c.more), c.req)
		switch {
		case c.want == "" && !errors.Is(err, provider.ErrBody):
			t.Errorf("%v, %s: got %v, want a malformed body", c.more, c.req.Body, err)
		case c.want != "" && (err != nil || receipt.Events[0].Type != c.want):
			t.Errorf("%v, %s: got %+v, %v, want %s", c.more, c.req.Body, receipt.Events, err, c.want)
		}
	}
}

func TestRepeatKey(t *testing.T) {
	long := strings.Repeat("x", 513)
	for _, c := range []struct {
		settings values
		req      *provider.Request
		want     string
	}{
		{none, post(`{"id":"1"}`), ""},
		{with(none, values{"id_field": "id"}), post(`{"id":"ord_1"}`), "ord_1"},
		{with(none, values{"id_field": "id"}), post(`{"id":12345678901234567890}`), "12345678901234567890"},
		{with(none, values{"id_field": "id"}), post(`{"id":-1.50}`), "-1.50"},
		{with(none, values{"id_field": "id"}), post(`{"id":null}`), ""},
		{with(none, values{"id_field": "id"}), post(`{"id":["1"]}`), ""},
		{with(none, values{"id_field": "id"}), post(`{"id":true}`), ""},
		{with(none, values{"id_field": "id"}), post(`{"ID":"1"}`), ""},
		{with(none, values{"id_field": "id"}), post(`{"id":"` + long + `"}`), provider.RepeatKey(long)},
		{with(none, values{"id_field": "/a/id", "type_field": "/a/type"}), post(`{"a":{"type":"x","id":7},"id":1}`), "7"},
		{with(none, values{"id_field": "/a/id"}), post(`{"id":"1"}`), ""},
		{with(none, values{"id_header": "X-Id"}), post(`{"id":"1"}`, "X-Id", "2"), "2"},
		{with(hmac, values{"repeat": "body"}), signed("{}", "{}"), "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"},
		{with(none, values{"id_header": "X-Id"}), post(`{"id":"1"}`), ""},
		{with(hmac, values{"repeat": "none"}), signed("{}", "{}"), ""},
		{with(hmac, values{"id_field": "id"}), signed(`{"id":"1"}`, `{"id":"1"}`), "1"},
		{with(hmac, values{"id_header": "X-Id"}), signed(`{}`, `{}`, "X-Id", "2"), "2"},
	} {
		receipt, err := receive(t, c.settings, c.req)
		if err != nil || receipt.Events[0].ProviderID != c.want {
			t.Errorf("%v, %.40s: got %+v, %v, want %q", c.settings, c.req.Body, receipt.Events, err, c.want)
		}
	}
	if _, err := receive(t, with(none, values{"id_header": "X-Id"}), post("", "X-Id", "1", "X-Id", "1")); !errors.Is(err, signature.ErrMalformed) {
		t.Errorf("two ids: %v", err)
	}
}

// R01: what has no id of its own is known by its signature, in whatever case its digits come.
func TestSignatureIsRepeatKey(t *testing.T) {
	for _, s := range []values{hmac, with(hmac, values{"id_field": "id"}), with(hmac, values{"id_header": "X-Id"})} {
		req := signed("{}", "{}")
		digits := req.Header.Get("X-Signature")
		for _, text := range []string{digits, strings.ToUpper(digits)} {
			req.Header.Set("X-Signature", text)
			receipt, err := receive(t, s, req)
			if err != nil || receipt.Events[0].ProviderID != digits {
				t.Errorf("%v: got %+v, %v", s, receipt.Events, err)
			}
		}
		if _, err := hex.DecodeString(digits); err != nil {
			t.Error(err)
		}
	}
}

func TestMethods(t *testing.T) {
	for method, settings := range map[string]values{"GET": with(none, values{"methods": []string{"GET"}}), "DELETE": with(none, values{"methods": []string{"POST", "DELETE"}}), "PUT": none} {
		req := post("")
		req.Method = method
		if _, err := receive(t, settings, req); err != nil {
			t.Errorf("%s: %v", method, err)
		}
		req.Method = "OPTIONS"
		if _, err := receive(t, settings, req); !errors.Is(err, provider.ErrMethod) {
			t.Errorf("OPTIONS: %v", err)
		}
	}
}

func TestSend(t *testing.T) {
	ev := &bellhop.Event{ID: "evt_1", Type: "order.changed", Body: []byte("{}")}
	render := func(settings values, url string) (provider.OutboundRequest, error) {
		r := providertest.OpenSender(t, generic.Provider{}, providertest.JSON(settings))
		return r.Render(ev, provider.AttemptInfo{URL: url})
	}
	m, err := render(with(token, values{"method": "PUT", "id_header": "x-id", "type_header": "x-type"}), "https://r.example/in")
	if err != nil || m.Method != "PUT" || m.Header.Get("X-Id") != "evt_1" || m.Header.Get("X-Type") != "order.changed" || m.Header.Get("Authorization") != "Bearer "+secrets[0] {
		t.Errorf("got %+v, %v", m, err)
	}
	for _, url := range []string{"https://r.example/in", "https://r.example/in?code=another", "https://r.example/in?code=a&code=b"} {
		_, err := render(query, url)
		if err == nil || !strings.Contains(err.Error(), "?code=") || strings.Contains(err.Error(), secrets[0]) {
			t.Errorf("%s: got %v", url, err)
		}
	}
	form := with(hmac, values{"template": "{url}{params}", "timestamp_header": nil})
	if _, err := render(form, "https://r.example/in"); err == nil {
		t.Error("rendered a body that is no form where its parameters are signed")
	}
	ev.ContentType, ev.Body = "application/x-www-form-urlencoded", []byte("b=2&a=1")
	m, err = render(form, "https://r.example/in?x=1")
	if err != nil || m.Header.Get("X-Signature") != signed("https://r.example/in?x=1a1b2", "").Header.Get("X-Signature") {
		t.Errorf("a form: got %+v, %v", m, err)
	}
	if _, err := render(with(hmac, values{"template": "{id}_{body}", "id_header": "X-Id"}), ""); err == nil {
		t.Error("rendered an id that ends elsewhere")
	}
}
