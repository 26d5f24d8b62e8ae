package outlook_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/bellhop-gateway/bellhop/provider"
	"github.com/bellhop-gateway/bellhop/provider/outlook"
	"github.com/bellhop-gateway/bellhop/provider/providertest"
)

// The client states of the tests; state is that of the samples.
const (
	state      = "c75831bd-fad3-4191-9a66-280a48528679"
	otherState = "another state, of words"
)

func testCase(t testing.TB) providertest.Case {
	return providertest.Case{
		Provider: outlook.Provider{},
		Settings: func(secrets []string) string {
			return providertest.JSON(map[string]any{"client_state": secrets})
		},
		Secrets:    [2]string{state, otherState},
		Sign:       func(secret string, _ time.Time, body []byte) *provider.Request { return request(secret, body) },
		Proves:     providertest.ProvesSender,
		Headers:    []string{"ClientState"},
		Recordings: recordings(t),
		SendSettings: func(secret string) string {
			return providertest.JSON(map[string]any{"client_state": secret,
				"resource_url": "https://bellhop.example.com/api/v1/events"})
		},
	}
}

func TestProvider(t *testing.T) { providertest.Run(t, testCase(t)) }

func FuzzReceive(f *testing.F) { providertest.Fuzz(f, testCase(f)) }

// BenchmarkReceive receives one notification of 1 KiB.
func BenchmarkReceive(b *testing.B) {
	body := batchOf(item(1, strings.Repeat("x", 512)))
	body = strings.Replace(body, `"Id":"AAMk"`, `"Id":"`+strings.Repeat("A", 1024-len(body)+4)+`"`, 1)
	providertest.Benchmark(b, testCase(b), []byte(body))
}

// request returns a request in the form of those of Outlook.
func request(state string, body []byte) *provider.Request {
	h := http.Header{"Content-Type": {"application/json"}}
	h.Set("ClientState", state)
	return &provider.Request{Method: "POST", Target: "/in/mail", Header: h, Body: body, ReceivedAt: providertest.Now}
}

// recordings returns the vectors, and requests that the samples do not cover.
func recordings(t testing.TB) []providertest.Recording {
	var vectors struct {
		List []struct {
			Name, Method string
			Query        string `json:"raw_query"`
		} `json:"validation_token"`
	}
	providertest.ReadJSON(t, "testdata/handshakes.json", &vectors)
	if len(vectors.List) != 2 {
		t.Fatalf("%d vectors", len(vectors.List))
	}
	var list []providertest.Recording
	for _, v := range vectors.List {
		req := &provider.Request{Method: v.Method, Target: "/in/mail?" + v.Query, Header: http.Header{}}
		list = append(list, providertest.Recording{Name: "vector-" + v.Name, Request: req})
	}
	var sample struct {
		Method  string
		Headers map[string]string
	}
	providertest.ReadJSON(t, "testdata/delivery-headers.json", &sample)
	delivery := request("", []byte(providertest.ReadFile(t, "testdata/samples/notification-missed.json")))
	delivery.Method = sample.Method
	for name, value := range sample.Headers {
		delivery.Header.Set(name, value)
	}
	open := &provider.Request{Method: "POST", Target: "/in/mail", Header: http.Header{}, Body: delivery.Body}
	return append(list,
		providertest.Recording{Name: "delivery-headers", Request: delivery},
		providertest.Recording{Name: "without-state", Request: open, Refused: "signature_missing"},
		providertest.Recording{Name: "without-state-unauthenticated", Settings: `{"unauthenticated":true}`,
			Request: open},
		providertest.Recording{Name: "one-item-is-none",
			Request: request(state, []byte(batchOf(item(1, "a"), `{"SubscriptionId":"Mjk3"}`, item(2, "b"))))},
	)
}

// item returns a notification with this number and resource.
func item(number int, resource string) string {
	return providertest.JSON(map[string]any{
		"@odata.type": "#Microsoft.OutlookServices.Notification", "Id": nil, "SubscriptionId": "Mjk3QNERDQQ==",
		"SubscriptionExpirationDateTime": "2026-11-25T08:15:30.8805047Z", "SequenceNumber": number,
		"ChangeType": "Created",
		"Resource":   "https://outlook.office.com/api/v2.0/" + resource, "ResourceData": map[string]any{"Id": "AAMk"},
	})
}

func batchOf(items ...string) string { return `{"value":[` + strings.Join(items, ",") + `]}` }
