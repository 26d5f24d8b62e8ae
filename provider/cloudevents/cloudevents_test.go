package cloudevents_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/bellhop-gateway/bellhop/provider"
	"github.com/bellhop-gateway/bellhop/provider/cloudevents"
	"github.com/bellhop-gateway/bellhop/provider/providertest"
)

var tokens = [2]string{"x4Kp0mZt7sVq2LrY9bNd", "Zm9vYmFyLWJhei1xdXV4LTEyMzQ="}

// The names in the tests: of the sender of the samples, and of ourselves.
const (
	emitter = "eventemitter.example.com"
	self    = "hooks.example.com"
)

func structuredCase(t testing.TB) providertest.Case {
	c := testCase("structured", func(token string, _ time.Time, body []byte) *provider.Request {
		return request(token, cloudevents.MediaType+"; charset=utf-8", body)
	})
	c.Recordings = recordings(t)
	return c
}

func binaryCase() providertest.Case {
	return testCase("binary", func(token string, _ time.Time, body []byte) *provider.Request {
		return binaryRequest(token, "application/json", body)
	})
}

// batchCase has the token in the query, and each sample as the one item of a batch.
func batchCase() providertest.Case {
	c := testCase("batch", func(token string, _ time.Time, body []byte) *provider.Request {
		req := request(token, cloudevents.BatchMediaType, []byte("[\n"+string(body)+"\n]"))
		req.Header.Del("Authorization")
		req.Target += "?access_token=" + strings.ReplaceAll(token, "=", "%3D")
		return req
	})
	c.Headers, c.Parameters = nil, []string{"access_token"}
	return c
}

// testCase is that of one mode, in which what it sends is sent as well.
func testCase(mode string, sign func(string, time.Time, []byte) *provider.Request) providertest.Case {
	return providertest.Case{
		Provider: cloudevents.Provider{},
		Name:     mode,
		Settings: func(tokens []string) string {
			return providertest.JSON(map[string]any{"bearer_token": tokens, "allowed_origins": []string{emitter, self}, "allowed_rate": 600})
		},
		Secrets: tokens,
		Sign:    sign,
		Proves:  providertest.ProvesSender,
		Headers: []string{"Authorization"},
		SendSettings: func(token string) string {
			return providertest.JSON(map[string]any{"bearer_token": token, "mode": mode, "origin": self, "rate": 120})
		},
	}
}

func TestStructured(t *testing.T) { providertest.Run(t, structuredCase(t)) }

func TestBinary(t *testing.T) { providertest.Run(t, binaryCase()) }

func TestBatch(t *testing.T) { providertest.Run(t, batchCase()) }

func FuzzReceive(f *testing.F) { providertest.Fuzz(f, structuredCase(f)) }

func FuzzReceiveBinary(f *testing.F) { providertest.Fuzz(f, binaryCase()) }

func FuzzReceiveBatch(f *testing.F) { providertest.Fuzz(f, batchCase()) }

func BenchmarkReceive(b *testing.B) {
	body := strings.Replace(providertest.ReadFile(b, "testdata/samples/structured.json"), `"documentId"`, `"words": "`+strings.Repeat("nightly ", 72)+`", "documentId"`, 1)
	providertest.Benchmark(b, structuredCase(b), []byte(body))
}

func BenchmarkReceiveBinary(b *testing.B) {
	providertest.Benchmark(b, binaryCase(), []byte(`{"words":"`+strings.Repeat("nightly ", 126)+`"}`))
}

func request(token, contentType string, body []byte) *provider.Request {
	h := http.Header{"Content-Type": {contentType}, "Webhook-Request-Origin": {emitter}}
	if token != "" {
		h.Set("Authorization", "Bearer "+token)
	}
	return &provider.Request{Method: "POST", Target: "/in/orders", Header: h, Body: body, ReceivedAt: providertest.Now}
}

func binaryRequest(token, contentType string, body []byte) *provider.Request {
	req := request(token, contentType, body)
	for name, value := range map[string]string{
		"ce-specversion": "1.0", "ce-id": "A234-1234-1237", "ce-source": "/gateway/contoso", "ce-type": "com.example.recording.available",
		"ce-subject": "Euro%20%E2%82%AC%20%F0%9F%98%80", "ce-time": "2026-11-22T08:15:30.123Z", "ce-tenantname": "50%25%20off",
	} {
		req.Header.Set(name, value)
	}
	return req
}

func with(req *provider.Request, name string, values ...string) *provider.Request {
	req.Header.Del(name)
	for _, v := range values {
		req.Header.Add(name, v)
	}
	return req
}

// event is a CloudEvent in JSON with more members behind those that it needs.
func event(more string) []byte {
	return []byte(`{"specversion":"1.0","id":"1","source":"/s","type":"com.example.a"` + more + `}`)
}

func open(t testing.TB, settings map[string]any) provider.Receiver {
	t.Helper()
	return openWith(t, provider.Env{}, settings)
}

func openWith(t testing.TB, env provider.Env, settings map[string]any) provider.Receiver {
	t.Helper()
	r, err := cloudevents.Provider{}.Open(env, []byte(providertest.Settings(map[string]any{"bearer_token": tokens[0]}, settings)))
	if err != nil {
		t.Fatal(err)
	}
	return r
}
