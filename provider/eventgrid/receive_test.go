package eventgrid_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/provider"
	"github.com/bellhop-gateway/bellhop/provider/eventgrid"
	"github.com/bellhop-gateway/bellhop/provider/providertest"
	"github.com/bellhop-gateway/bellhop/signature"
)

// Cases of section 11 of the forgery list, and V20 to V27 of section 10, by their numbers; sections 1, 3, 13 and 15
// are in providertest, E05 to E08 and the tokens of section 12 in verify_test.go, V25 in handshake_test.go. E15 and
// E16 are about downloads. Decided differently, or tested elsewhere:
//
//	V11  headers of the answer  set by the server
//	V13  only when expected     not required: an event subscription is created and changed in Azure at any time; the
//	                            secret keeps others from getting an answer
//	V22  no aeg-event-type      accepted if the only item is a validation, since some test tools omit the header
//	V27  an unlisted origin     405, as of a server without the handshake
//	V28  a callback             ignored: the answer itself gives permission
//	E09  another subscription   refused if settings.subscriptions is set, else ignored
//	E14  object, not an array   accepted in either schema: it is unambiguous, and after a 400 the event would be lost
var forgeries = []struct {
	name     string
	settings values
	change   func(req *provider.Request)
	body     string // "" is oneEvent
	want     error
}{
	{name: "control"},
	{name: "E01 no secret in the URL", change: target("/in/grid"), want: signature.ErrMissing},
	{name: "E01 an empty one", change: target("/in/grid?code="), want: signature.ErrMissing},
	{name: "E01 no header", settings: headerSettings, change: setHeader("X-Key"), want: signature.ErrMissing},
	{name: "E01 a wrong one", change: target("/in/grid?code=3f9c"), want: signature.ErrMismatch},
	{name: "E03 twice in the query", change: target("/in/grid?code=s3cret&code=s3cret"), want: signature.ErrMalformed},
	{name: "E03 under another name", change: target("/in/grid?Code=s3cret"), want: signature.ErrMissing},
	{name: "E04 header good", settings: headerSettings, change: setHeader("X-Key", "k3y")},
	{name: "E04 header wrong", settings: headerSettings, change: setHeader("X-Key", "k3y2"),
		want: signature.ErrMismatch},
	{name: "E04 header twice", settings: headerSettings, change: setHeader("X-Key", "k3y", "k3y"),
		want: signature.ErrMalformed},
	{name: "both set, header alone", settings: bothSettings, change: both("/in/grid", "k3y"),
		want: signature.ErrMissing},
	{name: "both set, query alone", settings: bothSettings, change: both("/in/grid?code=s3cret", ""),
		want: signature.ErrMissing},
	{name: "both set, both there", settings: bothSettings, change: both("/in/grid?code=s3cret", "k3y")},
	{name: "E09 a listed subscription", settings: subscriptionSettings},
	{name: "E09 another subscription", settings: subscriptionSettings,
		change: setHeader(eventgrid.SubscriptionNameHeader, "OTHER"), want: provider.ErrForbidden},
	{name: "E09 no subscription", settings: subscriptionSettings, change: setHeader(eventgrid.SubscriptionNameHeader),
		want: provider.ErrForbidden},
	{name: "E09 two subscriptions", settings: subscriptionSettings,
		change: setHeader(eventgrid.SubscriptionNameHeader, "recordingsub", "recordingsub"),
		want:   provider.ErrForbidden},
	{name: "E09 the Kelvin sign", settings: values{"query_secret": "s3cret", "subscriptions": []string{"k"}},
		change: setHeader(eventgrid.SubscriptionNameHeader, "\u212a"), want: provider.ErrForbidden},
	{name: "E09 after the secret", settings: subscriptionSettings, change: both("/in/grid?code=x", ""),
		want: signature.ErrMismatch},
	{name: "E13 no dataVersion",
		body: `[{"id":"1","eventType":"a","subject":"s","eventTime":"2026-11-22T08:15:30Z","data":{}}]`},
	{name: "E14 an object", body: `{"id":"1","eventType":"a"}`},
	{name: "E14 an object, CloudEvents", body: `{"id":"1","type":"a","source":"/s","specversion":"1.0"}`},
	{name: "CloudEvents of another version", body: `{"id":"1","type":"a","source":"/s","specversion":"2.0"}`,
		want: provider.ErrBody},
	{name: "an id that is a number", body: `[{"id":1,"eventType":"a"}]`, want: provider.ErrBody},
	{name: "an eventType too long", body: `[{"id":"1","eventType":"` + strings.Repeat("a", 256) + `"}]`,
		want: provider.ErrBody},
	{name: "an eventType with a line break", body: `[{"id":"1","eventType":"a\nb"}]`, want: provider.ErrBody},
	{name: "N01 eventType twice", body: `[{"id":"1","eventType":"a","eventType":"b"}]`, want: provider.ErrBody},
	{name: "N02 EVENTTYPE", body: `[{"id":"1","EVENTTYPE":"a"}]`, want: provider.ErrBody},
	{name: "the members of the other schema", body: `[{"id":"1","type":"a","source":"/s"}]`, want: provider.ErrBody},
	{name: "V26 OPTIONS needs no secret", change: func(req *provider.Request) {
		req.Method, req.Target = "OPTIONS", "/in/grid"
		req.Header = http.Header{"Webhook-Request-Origin": {"EventGrid.azure.net"}}
	}},
	{name: "V27 OPTIONS of the other cloud", change: func(req *provider.Request) {
		req.Method, req.Header = "OPTIONS", http.Header{"Webhook-Request-Origin": {"eventgrid.azure.us"}}
	}, want: provider.ErrMethod},
	{name: "OPTIONS of the cloud of the settings", settings: values{"query_secret": "s3cret", "cloud": "government"},
		change: func(req *provider.Request) {
			req.Method, req.Header = "OPTIONS", http.Header{"Webhook-Request-Origin": {"eventgrid.azure.us"}}
		}},
	{name: "an origin in a POST is no handshake", change: both("/in/grid", ""), want: signature.ErrMissing},
}

var (
	headerSettings       = values{"header": "x-key", "header_secret": "k3y"}
	bothSettings         = values{"header": "x-key", "header_secret": "k3y", "query_secret": "s3cret"}
	subscriptionSettings = values{"query_secret": "s3cret", "subscriptions": []string{"other-one", "RecordingSub"}}
)

func target(target string) func(*provider.Request) {
	return func(req *provider.Request) { req.Target = target }
}

func setHeader(name string, values ...string) func(*provider.Request) {
	return func(req *provider.Request) { req.Header[http.CanonicalHeaderKey(name)] = values }
}

func both(target, key string) func(*provider.Request) {
	return func(req *provider.Request) {
		req.Target = target
		if key != "" {
			req.Header.Set("X-Key", key)
		}
	}
}

const oneEvent = `[{"id":"1","topic":"/t","subject":"s","eventType":"a","eventTime":"2026-11-22T08:15:30Z","data":{},"dataVersion":"","metadataVersion":"1"}]`

func TestForgery(t *testing.T) {
	for _, c := range forgeries {
		t.Run(c.name, func(t *testing.T) {
			if c.settings == nil {
				c.settings = values{"query_secret": "s3cret"}
			}
			if c.body == "" {
				c.body = oneEvent
			}
			req := delivery("s3cret", []byte(c.body))
			if c.change != nil {
				c.change(req)
			}
			if _, err := open(t, c.settings).Receive(context.Background(), req); !errors.Is(err, c.want) {
				t.Errorf("got %v, want %v", err, c.want)
			}
		})
	}
}

// V05 to V07 as far as they apply, and V20 to V23.
func TestValidation(t *testing.T) {
	event := func(kind, data string) string { return `{"id":"1","eventType":"` + kind + `","data":` + data + `}` }
	good := event(eventgrid.ValidationType, `{"validationCode":"512d"}`)
	other := event("a", "{}")
	cloudEvent := func(data string) string {
		return `{"specversion":"1.0","id":"1","source":"/s","type":"` + eventgrid.ValidationType +
			`","subject":"","data":` +
			data + `}`
	}
	const says, silent, notification = "SubscriptionValidation", "", "Notification"
	for _, c := range []struct{ name, header, body, want string }{
		{"control", says, "[" + good + "]", `{"validationResponse":"512d"}`},
		{"in another case", "subscriptionvalidation",
			"[" + event(strings.ToUpper(eventgrid.ValidationType),
				`{"validationCode":"512d"}`) + "]", `{"validationResponse":"512d"}`},
		{"V20 markup", says, "[" + event(eventgrid.ValidationType, `{"validationCode":"<script>\"&"}`) + "]",
			`{"validationResponse":"\u003cscript\u003e\"\u0026"}`},
		{"V21 a number", says, "[" + event(eventgrid.ValidationType, `{"validationCode":1}`) + "]", "400"},
		{"V21 none", says, "[" + event(eventgrid.ValidationType, `{}`) + "]", "400"},
		{"V21 empty", says, "[" + event(eventgrid.ValidationType, `{"validationCode":""}`) + "]", "400"},
		{"V21 twice", says, "[" + event(eventgrid.ValidationType, `{"validationCode":"a","validationCode":"b"}`) + "]",
			"400"},
		{"V21 data a list", says, "[" + event(eventgrid.ValidationType, `[]`) + "]", "400"},
		{"V21 no data", says, `[{"id":"1","eventType":"` + eventgrid.ValidationType + `"}]`, "400"},
		{"V05 a line break", says, "[" + event(eventgrid.ValidationType, `{"validationCode":"a\r\nX: y"}`) +
			"]", "400"},
		{"V06 NUL", says, "[" + event(eventgrid.ValidationType, `{"validationCode":"a\u0000"}`) + "]", "400"},
		{"V07 5 KiB", says, "[" + event(eventgrid.ValidationType,
			`{"validationCode":"`+strings.Repeat("a", 5<<10)+`"}`) + "]", "400"},
		{"V22 no header", silent, "[" + good + "]", `{"validationResponse":"512d"}`},
		{"V22 a notification by its header", notification, "[" + good + "]", "1 events"},
		{"V23 two events", says, "[" + good + "," + other + "]", "400"},
		{"V23 two validations", says, "[" + good + "," + good + "]", "400"},
		{"two events, no header", silent, "[" + good + "," + other + "]", "2 events"},
		{"no event", says, "[]", "400"},
		{"another event", says, "[" + other + "]", "400"},
		{"not an event", says, "[1]", "400"},
		{"not an event, no header", silent, "[1]", "400"},
		{"an object", says, good, `{"validationResponse":"512d"}`},
		{"a CloudEvent", says, cloudEvent(`{"validationCode":"512d"}`), `{"validationResponse":"512d"}`},
		{"a CloudEvent, no header", silent, cloudEvent(`{"validationCode":"512d"}`), `{"validationResponse":"512d"}`},
		{"a batch of one CloudEvent", says, "[" + cloudEvent(`{"validationCode":"512d"}`) + "]",
			`{"validationResponse":"512d"}`},
		{"a CloudEvent, data encoded twice", says, cloudEvent(`"{\"validationCode\":\"512d\"}"`),
			`{"validationResponse":"512d"}`},
		{"data encoded twice", says, "[" + event(eventgrid.ValidationType, `"{\"validationCode\":\"512d\"}"`) + "]",
			`{"validationResponse":"512d"}`},
		{"data encoded thrice", says, "[" + event(eventgrid.ValidationType, `"\"{}\""`) + "]", "400"},
		{"a byte order mark", says, "\uFEFF[" + good + "]", `{"validationResponse":"512d"}`},
		{"names in Pascal case", says, "[" + event(eventgrid.ValidationType, `{"ValidationCode":"512d"}`) + "]",
			`{"validationResponse":"512d"}`},
		{"a custom schema", says, `[{"Kind":"x","data":{"validationCode":"512d"}}]`, `{"validationResponse":"512d"}`},
		{"a custom schema without data", says, `{"Kind":"x","validationCode":"512d"}`,
			`{"validationResponse":"512d"}`},
		{"a custom schema without a code", says, `[{"Kind":"x"}]`, "400"},
		{"a CloudEvent, a notification by its header", notification, cloudEvent(`{"validationCode":"512d"}`),
			"1 events"},
	} {
		t.Run(c.name, func(t *testing.T) {
			req := delivery("s3cret", []byte(c.body))
			req.Header.Set(eventgrid.EventTypeHeader, c.header)
			if c.header == silent {
				req.Header.Del(eventgrid.EventTypeHeader)
			}
			receipt, err := open(t, values{"query_secret": "s3cret"}).Receive(context.Background(), req)
			if got := summary(receipt, err); got != c.want {
				t.Errorf("got %s (%v), want %s", got, err, c.want)
			}
			req.Target = "/in/grid"
			_, err = open(t, values{"query_secret": "s3cret"}).Receive(context.Background(), req)
			if !errors.Is(err, signature.ErrMissing) {
				t.Errorf("without the secret: %v", err)
			}
		})
	}
	req := validation("[" + good + "]")
	req.Header.Add(eventgrid.EventTypeHeader, "Notification")
	_, err := open(t, values{"query_secret": secrets[0]}).Receive(context.Background(), req)
	if !errors.Is(err, provider.ErrBody) {
		t.Errorf("the header twice: %v", err)
	}
}

// summary describes the answer to a request: the body of a handshake's answer, the number of events, or 400.
func summary(receipt provider.Receipt, err error) string {
	switch {
	case errors.Is(err, provider.ErrBody):
		return "400"
	case err != nil:
		return err.Error()
	case receipt.Reply != nil && receipt.Reply.Status == http.StatusOK &&
		receipt.Reply.ContentType == "application/json; charset=utf-8":
		return string(receipt.Reply.Body)
	}
	return fmt.Sprintf("%d events", len(receipt.Events))
}

// E10 and E11: batches of the largest size, and batches with an invalid item.
func TestBatch(t *testing.T) {
	batch := func(n int, bad string) []byte {
		items := make([]string, 0, n+1)
		for i := range n {
			items = append(items, fmt.Sprintf(`{"id":"%d","eventType":"a","data":{"filling":"%s"}}`, i,
				strings.Repeat("x", 150)))
		}
		if bad != "" {
			items = append(items[:n/2], append([]string{bad}, items[n/2:]...)...)
		}
		return []byte("[" + strings.Join(items, ",\r\n") + "]")
	}
	r := open(t, values{"query_secret": "s3cret"})
	req := delivery("s3cret", batch(5000, ""))
	receipt, err := r.Receive(context.Background(), req)
	if err != nil || len(receipt.Events) != 5000 || len(receipt.Refused) != 0 {
		t.Fatalf("%d events, %d refused, %v", len(receipt.Events), len(receipt.Refused), err)
	}
	for i, ev := range receipt.Events {
		if ev.ProviderID != fmt.Sprint(i) || !strings.HasPrefix(string(ev.Body), fmt.Sprintf(`{"id":"%d"`, i)) {
			t.Fatalf("event %d is %+v", i, ev)
		}
	}
	if _, err := r.Receive(context.Background(), delivery("s3cret", batch(5001, ""))); !errors.Is(
		err, provider.ErrBody) {
		t.Errorf("5001 events: %v", err)
	}
	for _, bad := range []string{"null", "1", `"x"`, "[]", "{}", `{"id":"x"}`, `{"eventType":"x"}`,
		`{"specversion":"1.0"}`} {
		receipt, err := r.Receive(context.Background(), delivery("s3cret", batch(4, bad)))
		if err != nil || len(receipt.Events) != 4 || len(receipt.Refused) != 1 || receipt.Refused[0].Index != 2 ||
			receipt.Status != 200 {
			t.Errorf("%s: %d events, %+v refused, %v", bad, len(receipt.Events), receipt.Refused, err)
		}
	}
}

// The case of a topic is ignored, and that of an id is not.
func TestRepeatKey(t *testing.T) {
	key := func(topic, id string) string {
		ev, err := eventgrid.Parse([]byte(providertest.JSON(values{"topic": topic, "id": id, "eventType": "a"})))
		if err != nil {
			t.Fatal(err)
		}
		return ev.ProviderID
	}
	if a, b := key("/Providers/X", "a"), key("/providers/x", "a"); a != b {
		t.Errorf("%q and %q", a, b)
	}
	for _, other := range []string{key("/t", "A"), key("/u", "a"), key("", "a"), key("/t", strings.Repeat("a", 600))} {
		if other == key("/t", "a") || len(other) > bellhop.MaxProviderIDLength {
			t.Errorf("%q", other)
		}
	}
}

func TestSettings(t *testing.T) {
	const tenant = "7e9a1c34-52bd-4e08-a1f6-90d3c85b2e67"
	for _, c := range []struct {
		path     string
		settings values
	}{
		{"query_secret", values{}},
		{"query_secret", values{"subscriptions": []string{"a"}}},
		{"query_secret", values{"unauthenticated": false}},
		{"unauthenticated", values{"unauthenticated": true, "query_secret": "a"}},
		{"unauthenticated", values{"unauthenticated": true, "header": "X-A", "header_secret": "a"}},
		{"unauthenticated", values{"unauthenticated": true, "audience": "a", "tenant_id": tenant}},
		{"header_secret", values{"header": "X-A"}},
		{"header", values{"header_secret": "a"}},
		{"header", values{"header_secret": "a", "header": "X A"}},
		{"header", values{"header_secret": "a", "header": "aeg-event-type"}},
		{"header", values{"header_secret": "a", "header": "content-type"}},
		{"header", values{"header_secret": "a", "header": "authorization", "audience": "a", "tenant_id": tenant}},
		{"header_secret[1]", values{"header_secret": []string{"a", "é"}, "header": "X-A"}},
		{"header_secret", values{"header_secret": strings.Repeat("a", 4097), "header": "X-A"}},
		{"tenant_id", values{"audience": "a"}},
		{"tenant_id", values{"audience": "a", "tenant_id": "../../evil"}},
		{"tenant_id", values{"audience": "a", "tenant_id": strings.Replace(tenant, "-", "0", 1)}},
		{"tenant_id", values{"audience": "a", "tenant_id": strings.Replace(tenant, "e", "g", 1)}},
		{"audience", values{"tenant_id": tenant}},
		{"app_id", values{"audience": "a", "tenant_id": tenant, "app_id": "x"}},
		{"audience", values{"query_secret": "a", "app_id": tenant}},
		{"keys_url", values{"audience": "a", "tenant_id": tenant,
			"keys_url": "http://login.microsoftonline.com/keys"}},
		{"validation", values{"query_secret": "a", "validation": "none"}},
		{"subscriptions", values{"query_secret": "a", "subscriptions": []string{}}},
		{"subscriptions[1]", values{"query_secret": "a", "subscriptions": []string{"a", "b c"}}},
		{"cloud", values{"query_secret": "a", "cloud": "evil.example"}},
	} {
		_, err := eventgrid.Provider{}.Open(provider.Env{}, []byte(providertest.JSON(c.settings)))
		var invalid *bellhop.Error
		if !errors.As(err, &invalid) || invalid.Fields[0].Path != c.path {
			t.Errorf("%v: got %v, want an error about %s", c.settings, err, c.path)
		}
	}
	for _, c := range []struct {
		path     string
		settings values
	}{
		{"schema", values{"schema": "custom"}},
		{"subscription_name", values{"subscription_name": "a b"}},
		{"topic", values{"topic": "a b"}},
		{"topic", values{"topic": strings.Repeat("a", 513)}},
		{"header_secret", values{"header": "X-A"}},
		{"header_secret", values{"header": "X-A", "header_secret": []string{"a", "b"}}},
		{"header", values{"header_secret": "a"}},
	} {
		_, err := eventgrid.Provider{}.OpenSender(provider.Env{}, []byte(providertest.JSON(c.settings)))
		var invalid *bellhop.Error
		if !errors.As(err, &invalid) || invalid.Fields[0].Path != c.path {
			t.Errorf("%v: got %v, want an error about %s", c.settings, err, c.path)
		}
	}
}

func TestSecretHeaders(t *testing.T) {
	for _, c := range []struct {
		settings values
		want     string
	}{{headerSettings, "X-Key"}, {values{"query_secret": "a"}, ""}} {
		if got := strings.Join(open(t, c.settings).(provider.SecretHeaders).SecretHeaders(), ","); got != c.want {
			t.Errorf("%v: got %q", c.settings, got)
		}
	}
}

// TestMutants changes requests that two secrets authenticate.
func TestMutants(t *testing.T) {
	r := open(t, bothSettings)
	providertest.Mutants(t, providertest.ManyMutants,
		func(int) []string { return []string{"s3cret", "k3y"} },
		func(m, v []string) bool { return m[0] == v[0] && m[1] == v[1] },
		func(parts []string) bool {
			req := delivery(parts[0], []byte(oneEvent))
			req.Header.Set("X-Key", parts[1])
			_, err := r.Receive(context.Background(), req)
			return err == nil
		})
}
