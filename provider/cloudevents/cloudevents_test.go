package cloudevents_test

import (
	"bufio"
	"bytes"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/bellhop-gateway/bellhop/provider"
	"github.com/bellhop-gateway/bellhop/provider/cloudevents"
	"github.com/bellhop-gateway/bellhop/provider/providertest"
)

var tokens = [2]string{"x4Kp0mZt7sVq2LrY9bNd", "Zm9vYmFyLWJhei1xdXV4LTEyMzQ="}

// The origins in the tests: the sender of the samples, and this gateway.
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

// batchCase has the token in the query, and each sample as the only item of a batch.
func batchCase() providertest.Case {
	c := testCase("batch", func(token string, _ time.Time, body []byte) *provider.Request {
		item, marked := strings.CutPrefix(string(body), "\uFEFF") // a byte order mark goes before the whole
		req := request(token, cloudevents.BatchMediaType, []byte("[\n"+item+"\n]"))
		if marked {
			req.Body = append([]byte("\uFEFF"), req.Body...)
		}
		req.Header.Del("Authorization")
		req.Target += "?access_token=" + strings.ReplaceAll(token, "=", "%3D")
		return req
	})
	c.Headers, c.Parameters = nil, []string{"access_token"}
	return c
}

// testCase returns the case of one mode, for receiving and for sending.
func testCase(mode string, sign func(string, time.Time, []byte) *provider.Request) providertest.Case {
	return providertest.Case{
		Provider: cloudevents.Provider{},
		Name:     mode,
		Settings: func(tokens []string) string {
			return providertest.JSON(map[string]any{"bearer_token": tokens, "allowed_origins": []string{emitter, self},
				"allowed_rate": 600})
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
	body := strings.Replace(providertest.ReadFile(b, "testdata/samples/structured.json"), `"documentId"`,
		`"words": "`+strings.Repeat("nightly ", 72)+`", "documentId"`, 1)
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
		"ce-specversion": "1.0", "ce-id": "A234-1234-1237", "ce-source": "/gateway/contoso",
		"ce-type":    "com.example.recording.available",
		"ce-subject": "Euro%20%E2%82%AC%20%F0%9F%98%80", "ce-time": "2026-11-22T08:15:30.123Z",
		"ce-tenantname": "50%25%20off",
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

// event returns a CloudEvent in JSON with the required members, followed by more.
func event(more string) []byte {
	return []byte(`{"specversion":"1.0","id":"1","source":"/s","type":"com.example.a"` + more + `}`)
}

func open(t testing.TB, settings map[string]any) provider.Receiver {
	t.Helper()
	return openWith(t, provider.Env{}, settings)
}

func openWith(t testing.TB, env provider.Env, settings map[string]any) provider.Receiver {
	t.Helper()
	r, err := cloudevents.Provider{}.Open(env,
		[]byte(providertest.Settings(map[string]any{"bearer_token": tokens[0]}, settings)))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestSettings(t *testing.T) {
	open := func(raw string) error {
		_, err := cloudevents.Provider{}.Open(provider.Env{}, []byte(raw))
		return err
	}
	checkSettings(t, open, map[string]string{ // settings → path of the error
		`{}`:                        "bearer_token",
		`{"unauthenticated":false}`: "bearer_token",
		`{"unauthenticated":true}`:  "",
		`{"allowed_origins":["a"]}`: "",
		`{"allowed_origins":[]}`:    "bearer_token",
		`{"unauthenticated":true,"bearer_token":"t"}`:                                          "unauthenticated",
		`{"bearer_token":"t"}`:                                                                 "",
		`{"bearer_token":""}`:                                                                  "bearer_token",
		`{"bearer_token":"two words"}`:                                                         "bearer_token",
		`{"bearer_token":["t","tést"]}`:                                                        "bearer_token[1]",
		`{"bearer_token":"t","allowed_origins":["*"]}`:                                         "",
		`{"bearer_token":"t","allowed_origins":[]}`:                                            "",
		`{"bearer_token":"t","allowed_origins":["a.example",""]}`:                              "allowed_origins[1]",
		`{"bearer_token":"t","allowed_origins":["https://a.example"]}`:                         "allowed_origins[0]",
		`{"bearer_token":"t","allowed_origins":["*.a.example"]}`:                               "allowed_origins[0]",
		`{"bearer_token":"t","allowed_origins":[` + strings.Repeat(`"a",`, 100) + `"a"]}`:      "allowed_origins",
		`{"bearer_token":"t","allowed_rate":600}`:                                              "",
		`{"bearer_token":"t","allowed_rate":-1}`:                                               "allowed_rate",
		`{"bearer_token":"t","allowed_rate":1.5}`:                                              "allowed_rate",
		`{"bearer_token":"t","allowed_rate":1000000000}`:                                       "allowed_rate",
		`{"bearer_token":"t","callback_hosts":["a.example","b.example:8443","[2001:db8::1]"]}`: "",
		`{"bearer_token":"t","callback_hosts":["https://a.example"]}`:                          "callback_hosts[0]",
		`{"bearer_token":"t","callback_hosts":["a.example/x"]}`:                                "callback_hosts[0]",
		`{"bearer_token":"t","callback_hosts":["u@a.example"]}`:                                "callback_hosts[0]",
		`{"bearer_token":"t","callback_hosts":[""]}`:                                           "callback_hosts[0]",
		`{"bearer_token":"t","callback_hosts":[":443"]}`:                                       "callback_hosts[0]",
	})
}

func TestSendSettings(t *testing.T) {
	open := func(raw string) error {
		_, err := cloudevents.Provider{}.OpenSender(provider.Env{}, []byte(raw))
		return err
	}
	checkSettings(t, open, map[string]string{
		`{}`:                                             "",
		`{"mode":"structured"}`:                          "",
		`{"mode":"Binary"}`:                              "mode",
		`{"bearer_token":["a","b"]}`:                     "bearer_token",
		`{"bearer_token":"a b"}`:                         "bearer_token",
		`{"origin":"hooks.example.com"}`:                 "",
		`{"origin":"https://hooks"}`:                     "origin",
		`{"origin":"*"}`:                                 "origin",
		`{"source":"urn:example:media"}`:                 "",
		`{"source":"two words"}`:                         "source",
		`{"source":"` + strings.Repeat("s", 1025) + `"}`: "source",
		`{"rate":120}`:                                   "",
		`{"rate":-1}`:                                    "rate",
	})
}

func checkSettings(t *testing.T, open func(raw string) error, cases map[string]string) {
	t.Helper()
	for raw, path := range cases {
		providertest.CheckPath(t, raw, open(raw), path)
	}
}

// Only in batch mode is the Renderer a Batcher, because other receivers did not ask for batches.
func TestBatcher(t *testing.T) {
	for mode, want := range map[string]bool{"structured": false, "binary": false, "batch": true} {
		r, err := cloudevents.Provider{}.OpenSender(provider.Env{}, []byte(`{"mode":"`+mode+`"}`))
		if _, ok := r.(provider.Batcher); ok != want || err != nil {
			t.Errorf("%s: %v, %v", mode, ok, err)
		}
		if _, ok := r.(provider.Handshaker); !ok {
			t.Errorf("%s: not a Handshaker", mode)
		}
	}
}

// recordings are requests beyond the samples: other modes, the output of SDKs, and requests that are refused.
func recordings(t testing.TB) []providertest.Recording {
	const json = cloudevents.MediaType
	const batch = cloudevents.BatchMediaType
	good := func(contentType, body string) *provider.Request { return request(tokens[0], contentType, []byte(body)) }
	return []providertest.Recording{
		{Name: "binary", Request: readRequest(t, "testdata/recordings/binary-request.http")},
		{Name: "batch", Request: good(batch, providertest.ReadFile(t, "testdata/recordings/batch.json"))},
		{Name: "batch-empty", Request: good(batch, "[]")},
		{Name: "batch-in-part", Request: good(batch, `[{"specversion":"1.0"}, `+string(event(""))+`, null, 7]`)},
		{Name: "batch-without-event", Request: good(batch, `[null, {"specversion":"1.0"}]`),
			Refused: "malformed_body"},
		{Name: "batch-object", Request: good(batch, string(event(""))), Refused: "malformed_body"},
		{Name: "batch-too-long", Request: good(batch, "["+strings.Repeat("{},", cloudevents.MaxItems)+"{}]"),
			Refused: "malformed_body"},

		{Name: "type-in-capitals", Request: good("Application/CloudEvents+JSON ; Charset=UTF-8", string(event("")))},
		{Name: "format-unknown", Request: good("application/cloudevents+xml", "<event/>"), Refused: "media_type"},
		{Name: "format-unnamed", Request: good("application/cloudevents", string(event(""))), Refused: "media_type"},
		{Name: "batch-format-unknown", Request: good("application/cloudevents-batch+avro", "x"),
			Refused: "media_type"},
		{Name: "no-event", Request: good("application/json", string(event(""))), Refused: "media_type"},
		{Name: "content-type-twice", Request: with(good(json, string(event(""))), "Content-Type", json, batch),
			Refused: "media_type"},

		{Name: "attributes-null", Request: good(json,
			string(event(`,"subject":null,"time":null,"data":null,"data_base64":"AA=="`)))},
		{Name: "attributes-odd", Request: good(json,
			string(event(`,"subject":"","time":"2199-12-31t23:59:59z","comexampleflag":true,"n":-2147483648`)))},
		{Name: "source-with-blank", Request: good(json, `{"specversion":"1.0","id":"b c","source":"a","type":"t"}`)},
		{Name: "id-long", Request: good(json,
			`{"specversion":"1.0","id":"`+strings.Repeat("1", 600)+`","source":"a","type":"t"}`)},
		{Name: "data-twice", Request: good(json, string(event(`,"data":1,"data_base64":"AA=="`))),
			Refused: "malformed_body"},
		{Name: "id-null", Request: good(json, `{"specversion":"1.0","id":null,"source":"a","type":"t"}`),
			Refused: "malformed_body"},
		{Name: "id-number", Request: good(json, `{"specversion":"1.0","id":1,"source":"a","type":"t"}`),
			Refused: "malformed_body"},
		{Name: "source-empty", Request: good(json, `{"specversion":"1.0","id":"1","source":"","type":"t"}`),
			Refused: "malformed_body"},
		{Name: "type-missing", Request: good(json, `{"specversion":"1.0","id":"1","source":"a"}`),
			Refused: "malformed_body"},
		{Name: "type-long", Request: good(json,
			`{"specversion":"1.0","id":"1","source":"a","type":"`+strings.Repeat("t", 256)+`"}`),
			Refused: "malformed_body"},
		{Name: "type-control", Request: good(json, `{"specversion":"1.0","id":"1","source":"a","type":"a\u0001b"}`),
			Refused: "malformed_body"},
		{Name: "specversion-missing", Request: good(json, `{"id":"1","source":"a","type":"t"}`),
			Refused: "malformed_body"},
		{Name: "specversion-other", Request: good(json, `{"specversion":"2.0","id":"1","source":"a","type":"t"}`),
			Refused: "malformed_body"},
		{Name: "specversion-0.3-unasked",
			Request: good(json, `{"specversion":"0.3","id":"1","source":"a","type":"t"}`),
			Refused: "malformed_body"},
		{Name: "specversion-0.3",
			Settings: providertest.JSON(map[string]any{"bearer_token": tokens[0], "accept_03": true}),
			Request:  good(json, `{"specversion":"0.3","id":"1","source":"a","type":"t"}`)},

		{Name: "binary-go-sdk-utf-8", Request: with(binaryRequest(tokens[0], "application/json", []byte("{}")),
			"ce-subject", "файл €")},
		{Name: "binary-javascript-sdk-percent",
			Request: with(binaryRequest(tokens[0], "application/json; charset=utf-8", []byte("{}")), "ce-subject",
				`50% "off"`)},
		{Name: "binary-quoted", Request: with(binaryRequest(tokens[0], "text/plain", []byte("words")), "ce-subject",
			`"a \"b\" %C3%A9"`)},
		{Name: "binary-once-decoded", Request: with(binaryRequest(tokens[0], "text/plain", []byte("words")),
			"ce-subject", "a%2520b+c")},
		{Name: "binary-no-data", Request: with(binaryRequest(tokens[0], "", nil), "Content-Type")},
		{Name: "binary-latin-1", Request: with(binaryRequest(tokens[0], "text/plain", []byte("words")), "ce-subject",
			"caf\xe9"), Refused: "malformed_body"},
		{Name: "binary-id-missing", Request: with(binaryRequest(tokens[0], "text/plain", []byte("words")), "ce-id"),
			Refused: "media_type"},
		{Name: "binary-id-empty", Request: with(binaryRequest(tokens[0], "text/plain", []byte("words")), "ce-id", ""),
			Refused: "malformed_body"},
		{Name: "binary-id-twice", Request: with(binaryRequest(tokens[0], "text/plain", []byte("words")), "ce-id",
			"1", "1"),
			Refused: "malformed_body"},
		{Name: "binary-datacontenttype",
			Request: with(binaryRequest(tokens[0], "text/plain", []byte("words")), "ce-datacontenttype",
				"text/plain"), Refused: "malformed_body"},

		{Name: "origin-of-another", Request: with(good(json, string(event(""))), "WebHook-Request-Origin",
			emitter+".evil.example.net"), Refused: "forbidden"},
		{Name: "origin-by-its-old-name",
			Request: with(with(good(json, string(event(""))), "WebHook-Request-Origin"), "Origin",
				"EventEmitter.example.com")},
		{Name: "origin-by-its-old-name-of-another",
			Request: with(with(good(json, string(event(""))), "WebHook-Request-Origin"), "Origin",
				"evil.example.net"), Refused: "forbidden"},
		{Name: "origin-of-a-browser", Request: with(with(good(json, string(event(""))), "WebHook-Request-Origin"),
			"Origin", "https://app.example.net")},
		{Name: "origin-none", Request: with(good(json, string(event(""))), "WebHook-Request-Origin")},
		{Name: "unauthenticated", Settings: `{"unauthenticated":true}`, Request: request("", json, event(""))},
	}
}

// The items of a batch are slices of its body, in order.
func TestBatchIsNotCopied(t *testing.T) {
	body := []byte(providertest.ReadFile(t, "testdata/recordings/batch.json"))
	receipt, err := cloudevents.ReadRequest(http.Header{"Content-Type": {cloudevents.BatchMediaType}}, body)
	if err != nil || len(receipt.Events) != 2 {
		t.Fatalf("%+v, %v", receipt, err)
	}
	at := 0
	for i, ev := range receipt.Events {
		next := at + bytes.Index(body[at:], ev.Body)
		if next < at || &body[next] != &ev.Body[0] {
			t.Errorf("item %d is a copy", i)
		}
		at = next + len(ev.Body)
	}
}

// readRequest reads a request from a file, without the line end after the body, and adds the token.
func readRequest(t testing.TB, path string) *provider.Request {
	t.Helper()
	head, body, _ := strings.Cut(providertest.ReadFile(t, path), "\n\n")
	r, err := http.ReadRequest(bufio.NewReader(strings.NewReader(head + "\n\n")))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+tokens[0])
	return &provider.Request{Method: r.Method, Target: r.RequestURI, Header: r.Header,
		Body: []byte(strings.TrimSuffix(body, "\n")), ReceivedAt: providertest.Now}
}
