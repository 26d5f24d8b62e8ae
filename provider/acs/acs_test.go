package acs_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/bellhop-gateway/bellhop/provider"
	"github.com/bellhop-gateway/bellhop/provider/acs"
	"github.com/bellhop-gateway/bellhop/provider/providertest"
)

var secrets = [2]string{"a secret of recordings", "another secret"}

// testCase has the recording events. How Event Grid delivers them is tested in package eventgrid.
func testCase(t testing.TB) providertest.Case {
	cloudEvent := delivery(secrets[0],
		[]byte(providertest.ReadFile(t, "testdata/cloudevents/recording-file-status-updated-cloudevent.json")))
	cloudEvent.Header.Set("Content-Type", "application/cloudevents+json; charset=utf-8")
	return providertest.Case{
		Provider: acs.Provider{},
		Settings: func(secrets []string) string {
			return providertest.JSON(map[string]any{"query_secret": secrets})
		},
		Secrets: secrets,
		Sign: func(secret string, _ time.Time, body []byte) *provider.Request {
			return delivery(secret, body)
		},
		Proves:       providertest.ProvesSender,
		Parameters:   []string{"code"},
		SendSettings: func(string) string { return "{}" },
		SendURL:      "https://receiver.example/in/recordings?code=" + url.QueryEscape(secrets[0]),
		Recordings: []providertest.Recording{
			{Name: "recording-file-status-updated-cloudevent", Request: cloudEvent},
			{Name: "call-automation", Request: delivery(secrets[0], []byte(
				`[{"id":"1","source":"calling/callConnections/1","type":"Microsoft.Communication.CallConnected","specversion":"1.0","data":{},"time":"2026-11-22T08:15:30+00:00"}]`))},
		},
	}
}

// TestReason: a reason begins with the name of the provider that the source has, and names the missing or wrong
// secret.
func TestReason(t *testing.T) {
	receiver, err := acs.Provider{}.Open(provider.Env{Now: time.Now},
		[]byte(`{"query_secret":"a secret of recordings"}`))
	if err != nil {
		t.Fatal(err)
	}
	for target, want := range map[string]string{
		"/in/recordings":              "acs: the query parameter code is missing",
		"/in/recordings?code=another": "acs: the query parameter code does not match",
	} {
		req := delivery("", []byte("[]"))
		req.Target = target
		if _, err := receiver.Receive(t.Context(), req); err == nil || err.Error() != want {
			t.Errorf("%s: got %v, want %s", target, err, want)
		}
	}
}

func TestProvider(t *testing.T) { providertest.Run(t, testCase(t)) }

func FuzzReceive(f *testing.F) { providertest.Fuzz(f, testCase(f)) }

func BenchmarkReceive(b *testing.B) {
	body := strings.Replace(
		providertest.ReadFile(b, "testdata/samples/recording-file-status-updated-older-shape.json"),
		"0-eus-d12-", "0-eus-d12-"+strings.Repeat("0", 160), 1)
	providertest.Benchmark(b, testCase(b), []byte(body))
}

func delivery(code string, body []byte) *provider.Request {
	return &provider.Request{
		Method: "POST", Target: "/in/recordings?code=" + url.QueryEscape(code), Body: body,
		ReceivedAt: providertest.Now,
		Header: http.Header{"Content-Type": {"application/json; charset=utf-8"}, "Aeg-Event-Type": {"Notification"},
			"Aeg-Subscription-Name": {"RECORDINGSUB"}},
	}
}
