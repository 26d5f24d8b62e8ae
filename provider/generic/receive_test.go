package generic_test

import (
	"encoding/hex"
	"errors"
	"net/http"
	"net/url"
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
		{values{"type_field": "event"}, post(`[]`), generic.DefaultType},
		{values{"type_field": "event"}, post(``), generic.DefaultType},
		{values{"type_field": "event"}, post(`{"event":"x"`), generic.DefaultType},
		{values{"type_field": "event"}, post(`event=x&a=1`, "Content-Type", "application/x-www-form-urlencoded"), "x"},
		{values{"type_field": "event"}, post(`event=x&event=y`, "Content-Type", "application/x-www-form-urlencoded"),
			""},
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
		{values{"id_field": "id"}, post(`no JSON`), generic.DefaultType},
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
		{with(none, values{"id_field": "/a/id", "type_field": "/a/type"}), post(`{"a":{"type":"x","id":7},"id":1}`),
			"7"},
		{with(none, values{"id_field": "/a/id"}), post(`{"id":"1"}`), ""},
		{with(none, values{"id_header": "X-Id"}), post(`{"id":"1"}`, "X-Id", "2"), "2"},
		{with(hmac, values{"repeat": "body"}), signed("{}", "{}"),
			"44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"},
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
	_, err := receive(t, with(none, values{"id_header": "X-Id"}), post("", "X-Id", "1", "X-Id", "1"))
	if !errors.Is(err, signature.ErrMalformed) {
		t.Errorf("two ids: %v", err)
	}
}

// R01: an event without an id is identified by its signature, whatever the case of the digits.
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
	for method, settings := range map[string]values{"GET": with(none, values{"methods": []string{"GET"}}),
		"DELETE": with(none, values{"methods": []string{"POST", "DELETE"}}), "PUT": none} {
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
	m, err := render(with(token, values{"method": "PUT", "id_header": "x-id", "type_header": "x-type"}),
		"https://r.example/in")
	if err != nil || m.Method != "PUT" || m.Header.Get("X-Id") != "evt_1" ||
		m.Header.Get("X-Type") != "order.changed" ||
		m.Header.Get("Authorization") != "Bearer "+secrets[0] {
		t.Errorf("got %+v, %v", m, err)
	}
	for _, url := range []string{"https://r.example/in", "https://r.example/in?code=another",
		"https://r.example/in?code=a&code=b"} {
		_, err := render(query, url)
		if err == nil || !strings.Contains(err.Error(), "?code=") || strings.Contains(err.Error(), secrets[0]) {
			t.Errorf("%s: got %v", url, err)
		}
	}
	form := with(hmac, values{"template": "{url}{params}", "timestamp_header": nil})
	if _, err := render(form, "https://r.example/in"); err == nil {
		t.Error("rendered a body that is not a form although the template signs its parameters")
	}
	ev.ContentType, ev.Body = "application/x-www-form-urlencoded", []byte("b=2&a=1")
	m, err = render(form, "https://r.example/in?x=1")
	if err != nil || m.Header.Get("X-Signature") != signed("https://r.example/in?x=1a1b2", "").Header.Get(
		"X-Signature") {
		t.Errorf("a form: got %+v, %v", m, err)
	}
	if _, err := render(with(hmac, values{"template": "{id}_{body}", "id_header": "X-Id"}), ""); err == nil {
		t.Error("rendered an id that contains the text after it")
	}
}

// Cases of section 10 of the forgery list, by their numbers. Decided differently, or tested elsewhere:
//
//	V03  GET                         these systems use GET; providertest checks that no other GET request is accepted
//	V07  1 MiB                       the server's limit; here the limit is 4 KiB
//	V11  headers of the reply        set by the server
//	V13  only while one is expected  not required: Dropbox and X ask at any time, X every hour
//	V32  rate of CRC answers         not limited: an answer cannot be misused, see TestSignedChallengeIsNotAnEvent
func TestQueryHandshakes(t *testing.T) {
	meta := func(challenge, token string) string {
		return "/in/meta?hub.mode=subscribe&hub.challenge=" + challenge + "&hub.verify_token=" + token
	}
	for _, c := range []struct {
		name, preset, target string
		want                 error
		body                 string
	}{
		{"V01 control", "dropbox", "/in/dropbox?challenge=abc", nil, "abc"},
		{"V05 line break", "dropbox", "/in/dropbox?challenge=%0d%0aX:+y", provider.ErrBody, ""},
		{"V06 NUL", "dropbox", "/in/dropbox?challenge=%00", provider.ErrBody, ""},
		{"V06 line separator", "dropbox", "/in/dropbox?challenge=%E2%80%A8", provider.ErrBody, ""},
		{"V07 longest", "dropbox", "/in/dropbox?challenge=" + strings.Repeat("a", 4096), nil,
			strings.Repeat("a", 4096)},
		{"V07 long", "dropbox", "/in/dropbox?challenge=" + strings.Repeat("a", 4097), provider.ErrBody, ""},
		{"V08 empty", "dropbox", "/in/dropbox?challenge=", provider.ErrBody, ""},
		{"V12 markup", "dropbox", "/in/dropbox?challenge=%3Cb%3E", nil, "<b>"},
		{"V15 decoded once", "dropbox", "/in/dropbox?challenge=abc%252Bdef", nil, "abc%2Bdef"},
		{"V16 plus", "dropbox", "/in/dropbox?challenge=abc+def", nil, "abc def"},
		{"twice", "dropbox", "/in/dropbox?challenge=a&challenge=a", provider.ErrBody, ""},
		{"no challenge", "dropbox", "/in/dropbox", provider.ErrMethod, ""},
		{"parameter of another system", "dropbox", "/in/dropbox?crc_token=a", provider.ErrMethod, ""},
		{"system without a handshake", "shopify", "/in/shopify?challenge=a", provider.ErrMethod, ""},
		{"control", "meta", meta("1", "meatyhamhock"), nil, "1"},
		{"V31 wrong token", "meta", meta("1", "meatyhamhoc"), provider.ErrForbidden, ""},
		{"V31 another case", "meta", meta("1", "MeatyHamHock"), provider.ErrForbidden, ""},
		{"V31 no token", "meta", "/in/meta?hub.challenge=1", provider.ErrForbidden, ""},
		{"V31 empty token", "meta", meta("1", ""), provider.ErrForbidden, ""},
		{"V31 two tokens", "meta", meta("1", "x") + "&hub.verify_token=meatyhamhock", provider.ErrForbidden, ""},
		{"V31 the secret as token", "meta", meta("1", url.QueryEscape(secrets[0])), provider.ErrForbidden, ""},
		{"wrong token first, bad challenge", "meta", meta("%00", "x"), provider.ErrForbidden, ""},
		{"bad challenge", "meta", meta("%00", "meatyhamhock"), provider.ErrBody, ""},
		{"V32 brace", "x", "/in/x?crc_token=%7B%7D", provider.ErrBody, ""},
		{"V32 bracket", "x", "/in/x?crc_token=%5B%5D", provider.ErrBody, ""},
		{"V32 blank", "x", "/in/x?crc_token=+a", provider.ErrBody, ""},
		{"V32 line break", "x", "/in/x?crc_token=a%0A", provider.ErrBody, ""},
		{"V32 quote", "x", "/in/x?crc_token=%22a%22", provider.ErrBody, ""},
		{"V32 too long", "x", "/in/x?crc_token=" + strings.Repeat("a", 257), provider.ErrBody, ""},
		{"V32 empty", "x", "/in/x?crc_token=", provider.ErrBody, ""},
		{"V32 twice", "x", "/in/x?crc_token=a&crc_token=b", provider.ErrBody, ""},
	} {
		req := &provider.Request{Method: "GET", Target: c.target}
		receipt, err := receive(t, presetSettings(presetNamed(c.preset), secrets[0]), req)
		if !errors.Is(err, c.want) || c.want == nil &&
			(receipt.Reply == nil || string(receipt.Reply.Body) != c.body || receipt.Reply.ContentType != "") {
			t.Errorf("%s of %s: got %+v, %v, want %q, %v", c.name, c.preset, receipt.Reply, err, c.body, c.want)
		}
	}
}

// signedBody returns a signed request of the named preset.
func signedBody(name, body string, headers ...string) *provider.Request {
	req := signPreset(presetNamed(name), secrets[0], providertest.Now, []byte(body))
	for i := 0; i < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	return req
}

func TestBodyHandshakes(t *testing.T) {
	const kind, asks = "Twitch-Eventsub-Message-Type", "webhook_callback_verification"
	for _, c := range []struct {
		name string
		req  *provider.Request
		want error
		body string // of the reply; "" if the request is an event
	}{
		{"control", signedBody("twitch", `{"challenge":"a b"}`, kind, asks), nil, "a b"},
		{"V20 markup", signedBody("twitch", `{"challenge":"<b>"}`, kind, asks), nil, "<b>"},
		{"V21 not a text", signedBody("twitch", `{"challenge":7}`, kind, asks), provider.ErrBody, ""},
		{"V21 null", signedBody("twitch", `{"challenge":null}`, kind, asks), provider.ErrBody, ""},
		{"V06 control character", signedBody("twitch", `{"challenge":"a\u0000"}`, kind, asks), provider.ErrBody, ""},
		{"V22 header, no challenge", signedBody("twitch", `{"subscription":{}}`, kind, asks), provider.ErrBody, ""},
		{"V22 challenge, no header", signedBody("twitch", `{"challenge":"a"}`), nil, ""},
		{"challenge in a notification", signedBody("twitch", `{"challenge":"a"}`, kind, "notification"), nil, ""},
		{"not JSON", signedBody("twitch", `a`, kind, asks), provider.ErrBody, ""},
		{"N01 twice", signedBody("twitch", `{"challenge":"a","challenge":"b"}`, kind, asks), provider.ErrBody, ""},
		{"control", signedBody("zoom", `{"event":"endpoint.url_validation","payload":{"plainToken":"Az09-_"}}`), nil,
			`{"encryptedToken":"67d9695ad19aefd0a8c771564b76c8ec198f67d95a479063475af56b721f09bc","plainToken":"Az09-_"}`},
		{"event", signedBody("zoom", `{"event":"meeting.started","payload":{"plainToken":"a"}}`), nil, ""},
		{"no token", signedBody("zoom", `{"event":"endpoint.url_validation"}`), provider.ErrBody, ""},
		{"payload not an object", signedBody("zoom", `{"event":"endpoint.url_validation","payload":"plainToken"}`),
			provider.ErrBody, ""},
		{"token not a text", signedBody("zoom", `{"event":"endpoint.url_validation","payload":{"plainToken":["a"]}}`),
			provider.ErrBody, ""},
		{"token in the form of a signed text",
			signedBody("zoom", `{"event":"endpoint.url_validation","payload":{"plainToken":"v0:1795338000:{}"}}`),
			provider.ErrBody, ""},
		{"token with markup", signedBody("zoom", `{"event":"endpoint.url_validation","payload":{"plainToken":"<b>"}}`),
			provider.ErrBody, ""},
		// V30: a handshake is answered only if it is authentic.
		{"V30 unsigned",
			tampered(signedBody("zoom", `{"event":"endpoint.url_validation","payload":{"plainToken":"a"}}`)),
			signature.ErrMismatch, ""},
		{"V30 unsigned", tampered(signedBody("twitch", `{"challenge":"a"}`, kind, asks)), signature.ErrMismatch, ""},
	} {
		name := strings.TrimPrefix(c.req.Target, "/in/")
		receipt, err := receive(t, presetSettings(presetNamed(name), secrets[0]), c.req)
		switch {
		case !errors.Is(err, c.want), c.want != nil:
			if !errors.Is(err, c.want) || receipt.Reply != nil {
				t.Errorf("%s of %s: got %v, want %v", c.name, name, err, c.want)
			}
		case c.body == "" && (receipt.Reply != nil || len(receipt.Events) != 1):
			t.Errorf("%s of %s: got %+v, want an event", c.name, name, receipt)
		case c.body != "" && (receipt.Reply == nil || string(receipt.Reply.Body) != c.body):
			t.Errorf("%s of %s: got %+v, want %s", c.name, name, receipt.Reply, c.body)
		}
	}
}

// tampered returns req with a body that was not signed but is equivalent JSON.
func tampered(req *provider.Request) *provider.Request {
	req.Body = append(req.Body, ' ')
	return req
}

// While two secrets are set, Zoom's challenge is signed with the secret that signed the request, in either order.
func TestChallengeSignedWithSenderKey(t *testing.T) {
	c := presetNamed("zoom")
	body := []byte(`{"event":"endpoint.url_validation","payload":{"plainToken":"a"}}`)
	answers := map[string]bool{}
	for _, secret := range secrets {
		for _, order := range [][]string{{secrets[0], secrets[1]}, {secrets[1], secrets[0]}} {
			receipt, err := receive(t, presetSettings(c, order...), signPreset(c, secret, providertest.Now, body))
			if err != nil {
				t.Fatal(err)
			}
			answers[secret+string(receipt.Reply.Body)] = true
		}
	}
	if len(answers) != 2 {
		t.Errorf("%d different answers with two secrets, want 2", len(answers))
	}
}

// V32: the answer to X's challenge gives anyone the HMAC of a chosen text under the key that signs events. This
// HMAC must not be valid for an event.
func TestSignedChallengeIsNotAnEvent(t *testing.T) {
	settings := presetSettings(presetNamed("x"), secrets[0])
	for _, token := range []string{"1", "true", "null", "a", "9b4507b3-9040-4669-9ca3-6b94edb50553",
		"MTIzNDU=", "-1.5",
		`"a"`, "{}", "[]", " {}", "{", "\uFEFF{}"} {
		crc := &provider.Request{Method: "GET", Target: "/in/x?crc_token=" + url.QueryEscape(token)}
		receipt, err := receive(t, settings, crc)
		if err != nil {
			if !errors.Is(err, provider.ErrBody) {
				t.Errorf("%q: %v", token, err)
			}
			continue
		}
		_, signed, _ := strings.Cut(strings.TrimSuffix(string(receipt.Reply.Body), `"}`), `:"`)
		event := post(token, "X-Twitter-Webhooks-Signature", signed)
		if _, err := receive(t, settings, event); !errors.Is(err, provider.ErrBody) {
			t.Errorf("%q, signed by us, is accepted as an event: %v", token, err)
		}
	}
}

func FuzzSignable(f *testing.F) {
	for _, token := range []string{"", "{}", "9b4507b3-9040-4669-9ca3-6b94edb50553", "v0:1:{}", "a+/="} {
		f.Add(token)
	}
	f.Fuzz(func(t *testing.T, token string) {
		if generic.Signable(token) &&
			(token == "" || len(token) > 256 || strings.ContainsAny(token, "{}[]:\" \t\r\n") ||
				!provider.PlainToken(token)) {
			t.Errorf("%q would be signed", token)
		}
	})
}
