package eventgrid_test

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/bellhop-gateway/bellhop/provider"
	"github.com/bellhop-gateway/bellhop/provider/eventgrid"
	"github.com/bellhop-gateway/bellhop/provider/providertest"
)

type values = map[string]any

var secrets = [2]string{"3f9c/b+7= &x", "another secret"}

// queryCase has a secret in the query of the URL.
func queryCase(t testing.TB) providertest.Case {
	return providertest.Case{
		Name:       "query",
		Provider:   eventgrid.Provider{},
		Settings:   func(secrets []string) string { return providertest.JSON(values{"query_secret": secrets}) },
		Secrets:    secrets,
		Sign:       func(secret string, at time.Time, body []byte) *provider.Request { return delivery(secret, body) },
		Proves:     providertest.ProvesSender,
		Parameters: []string{"code"},
		Recordings: recordings(t),
		SendSettings: func(string) string {
			return providertest.JSON(values{"subscription_name": "recordings", "topic": "/contoso/orders"})
		},
		SendURL: "https://receiver.example/in/grid?a=1&code=" + url.QueryEscape(secrets[0]),
	}
}

// headerCase has a secret in a header.
func headerCase() providertest.Case {
	const header = "X-Contoso-Key"
	return providertest.Case{
		Name:     "header",
		Provider: eventgrid.Provider{},
		Settings: func(secrets []string) string {
			return providertest.JSON(values{"header": header, "header_secret": secrets})
		},
		Secrets: secrets,
		Sign: func(secret string, _ time.Time, body []byte) *provider.Request {
			req := delivery("", body)
			req.Header.Set(header, secret)
			return req
		},
		Proves:  providertest.ProvesSender,
		Headers: []string{header},
		SendSettings: func(secret string) string {
			return providertest.JSON(values{"header": header, "header_secret": secret})
		},
	}
}

// anyoneCase does not authenticate requests.
func anyoneCase() providertest.Case {
	settings := providertest.JSON(values{"unauthenticated": true})
	return providertest.Case{
		Name:         "unauthenticated",
		Provider:     eventgrid.Provider{},
		Settings:     func([]string) string { return settings },
		Secrets:      secrets,
		Sign:         func(_ string, _ time.Time, body []byte) *provider.Request { return delivery("", body) },
		Proves:       providertest.ProvesNothing,
		SendSettings: func(string) string { return "{}" },
	}
}

func TestProvider(t *testing.T) {
	for _, c := range []providertest.Case{queryCase(t), headerCase(), anyoneCase()} {
		t.Run(c.Name, func(t *testing.T) { providertest.Run(t, c) })
	}
}

func FuzzReceive(f *testing.F) { providertest.Fuzz(f, queryCase(f)) }

func BenchmarkReceive(b *testing.B) {
	body := strings.Replace(providertest.ReadFile(b, "testdata/samples/notification-single.json"), "Ducati",
		strings.Repeat("Ducati ", 86), 1)
	providertest.Benchmark(b, queryCase(b), []byte(body))
}

func BenchmarkReceiveCloudEvent(b *testing.B) {
	body := strings.Replace(providertest.ReadFile(b, "testdata/cloudevents/cloudevent-single.json"), "Ducati",
		strings.Repeat("Ducati ", 96), 1)
	providertest.Benchmark(b, queryCase(b), []byte(body))
}

// delivery returns a request as Event Grid posts it to a URL with this code in its query.
func delivery(code string, body []byte) *provider.Request {
	req := &provider.Request{Method: "POST", Target: "/in/grid", Body: body, ReceivedAt: providertest.Now,
		Header: http.Header{
			"Content-Type":                   {"application/json; charset=utf-8"},
			eventgrid.EventTypeHeader:        {"Notification"},
			eventgrid.SubscriptionNameHeader: {"RECORDINGSUB"},
			eventgrid.DeliveryCountHeader:    {"0"},
			eventgrid.DataVersionHeader:      {"1.0"},
			eventgrid.MetadataVersionHeader:  {"1"},
		}}
	if code != "" {
		req.Target += "?code=" + url.QueryEscape(code)
	}
	return req
}

// recordings are the handshakes of the vectors, deliveries of CloudEvents, and batches with invalid items.
func recordings(t testing.TB) []providertest.Recording {
	list := []providertest.Recording{
		{Name: "subscription-validation",
			Request: validation(providertest.ReadFile(t, "testdata/handshake/subscription-validation-request.json"))},
		{Name: "subscription-validation-manual",
			Settings: providertest.JSON(values{"query_secret": secrets[0], "validation": "manual"}),
			Request:  validation(providertest.ReadFile(t, "testdata/handshake/subscription-validation-request.json"))},
		{Name: "one-bad-item", Request: delivery(secrets[0],
			[]byte(`[{"id":"1","eventType":"a"},{"id":"2"},null,{"id":"4","eventType":"b"}]`))},
		{Name: "only-bad-items", Request: delivery(secrets[0], []byte(`[{"id":"2"},null]`)),
			Refused: "malformed_body"},
		{Name: "nothing", Request: delivery(secrets[0], []byte("[]"))},
		{Name: "options", Request: &provider.Request{Method: "OPTIONS", Target: "/in/grid",
			Header: http.Header{"Webhook-Request-Origin": {"eventgrid.azure.net"}}}},
		{Name: "options-of-another", Refused: "method",
			Request: &provider.Request{Method: "OPTIONS", Target: "/in/grid",
				Header: http.Header{"Webhook-Request-Origin": {"eventgrid.azure.net.example"}}}},
		{Name: "options-without-origin", Refused: "method",
			Request: &provider.Request{Method: "OPTIONS", Target: "/in/grid", Header: http.Header{}}},
	}
	for _, name := range []string{"cloudevent-single", "cloudevent-batch", "dead-letter-cloudevent"} {
		req := delivery(secrets[0], []byte(providertest.ReadFile(t, "testdata/cloudevents/"+name+".json")))
		req.Header.Set("Content-Type", "application/cloudevents+json; charset=utf-8")
		req.Header.Set("Origin", "eventgrid.azure.net")
		list = append(list, providertest.Recording{Name: name, Request: req})
	}
	for _, v := range handshakes(t) {
		req := validation(string(v.Body))
		req.Header = http.Header{}
		for name, value := range v.Headers {
			req.Header.Set(name, value)
		}
		list = append(list, providertest.Recording{Name: "vector-" + v.Name, Request: req})
	}
	return list
}

type handshake struct {
	Name    string
	Headers map[string]string
	Body    json.RawMessage `json:"request_body_json"`
	Expect  struct {
		Status      int
		ContentType string          `json:"content_type"`
		Body        json.RawMessage `json:"body_json"`
	}
}

func handshakes(t testing.TB) []handshake {
	var file struct {
		Handshakes []handshake `json:"event_grid"`
	}
	providertest.ReadJSON(t, "testdata/handshake/vectors.json", &file)
	if len(file.Handshakes) != 2 {
		t.Fatalf("%d vectors", len(file.Handshakes))
	}
	return file.Handshakes
}

// validation returns the request of a handshake with this body.
func validation(body string) *provider.Request {
	req := delivery(secrets[0], []byte(body))
	req.Header.Set(eventgrid.EventTypeHeader, "SubscriptionValidation")
	return req
}

func open(t testing.TB, settings values) provider.Receiver {
	t.Helper()
	return providertest.Open(t, eventgrid.Provider{}, providertest.JSON(settings))
}
