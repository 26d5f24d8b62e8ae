package cloudevents_test

import (
	"bufio"
	"bytes"
	"net/http"
	"strings"
	"testing"

	"github.com/bellhop-gateway/bellhop/provider"
	"github.com/bellhop-gateway/bellhop/provider/cloudevents"
	"github.com/bellhop-gateway/bellhop/provider/providertest"
)

// recordings are what the samples do not show: other modes, what SDKs write, and refusals.
func recordings(t testing.TB) []providertest.Recording {
	const json = cloudevents.MediaType
	const batch = cloudevents.BatchMediaType
	good := func(contentType, body string) *provider.Request { return request(tokens[0], contentType, []byte(body)) }
	return []providertest.Recording{
		{Name: "binary", Request: readRequest(t, "testdata/recordings/binary-request.http")},
		{Name: "batch", Request: good(batch, providertest.ReadFile(t, "testdata/recordings/batch.json"))},
		{Name: "batch-empty", Request: good(batch, "[]")},
		{Name: "batch-in-part", Request: good(batch, `[{"specversion":"1.0"}, `+string(event(""))+`, null, 7]`)},
		{Name: "batch-without-event", Request: good(batch, `[null, {"specversion":"1.0"}]`), Refused: "malformed_body"},
		{Name: "batch-object", Request: good(batch, string(event(""))), Refused: "malformed_body"},
		{Name: "batch-too-long", Request: good(batch, "["+strings.Repeat("{},", cloudevents.MaxItems)+"{}]"), Refused: "malformed_body"},

		{Name: "type-in-capitals", Request: good("Application/CloudEvents+JSON ; Charset=UTF-8", string(event("")))},
		{Name: "format-unknown", Request: good("application/cloudevents+xml", "<event/>"), Refused: "media_type"},
		{Name: "format-unnamed", Request: good("application/cloudevents", string(event(""))), Refused: "media_type"},
		{Name: "batch-format-unknown", Request: good("application/cloudevents-batch+avro", "x"), Refused: "media_type"},
		{Name: "no-event", Request: good("application/json", string(event(""))), Refused: "media_type"},
		{Name: "content-type-twice", Request: with(good(json, string(event(""))), "Content-Type", json, batch), Refused: "media_type"},

		{Name: "attributes-null", Request: good(json, string(event(`,"subject":null,"time":null,"data":null,"data_base64":"AA=="`)))},
		{Name: "attributes-odd", Request: good(json, string(event(`,"subject":7,"time":"yesterday","Type":"x","comexampleflag":true`)))},
		{Name: "source-with-blank", Request: good(json, `{"specversion":"1.0","id":"b c","source":"a","type":"t"}`)},
		{Name: "id-long", Request: good(json, `{"specversion":"1.0","id":"`+strings.Repeat("1", 600)+`","source":"a","type":"t"}`)},
		{Name: "data-twice", Request: good(json, string(event(`,"data":1,"data_base64":"AA=="`))), Refused: "malformed_body"},
		{Name: "id-null", Request: good(json, `{"specversion":"1.0","id":null,"source":"a","type":"t"}`), Refused: "malformed_body"},
		{Name: "id-number", Request: good(json, `{"specversion":"1.0","id":1,"source":"a","type":"t"}`), Refused: "malformed_body"},
		{Name: "source-empty", Request: good(json, `{"specversion":"1.0","id":"1","source":"","type":"t"}`), Refused: "malformed_body"},
		{Name: "type-missing", Request: good(json, `{"specversion":"1.0","id":"1","source":"a"}`), Refused: "malformed_body"},
		{Name: "type-long", Request: good(json, `{"specversion":"1.0","id":"1","source":"a","type":"`+strings.Repeat("t", 256)+`"}`), Refused: "malformed_body"},
		{Name: "type-control", Request: good(json, `{"specversion":"1.0","id":"1","source":"a","type":"a\u0001b"}`), Refused: "malformed_body"},
		{Name: "specversion-missing", Request: good(json, `{"id":"1","source":"a","type":"t"}`), Refused: "malformed_body"},
		{Name: "specversion-other", Request: good(json, `{"specversion":"2.0","id":"1","source":"a","type":"t"}`), Refused: "malformed_body"},
		{Name: "specversion-0.3-unasked", Request: good(json, `{"specversion":"0.3","id":"1","source":"a","type":"t"}`), Refused: "malformed_body"},
		{Name: "specversion-0.3", Settings: providertest.JSON(map[string]any{"bearer_token": tokens[0], "accept_03": true}),
			Request: good(json, `{"specversion":"0.3","id":"1","source":"a","type":"t"}`)},

		{Name: "binary-go-sdk-utf-8", Request: with(binaryRequest(tokens[0], "application/json", []byte("{}")), "ce-subject", "файл €")},
		{Name: "binary-javascript-sdk-percent", Request: with(binaryRequest(tokens[0], "application/json; charset=utf-8", []byte("{}")), "ce-subject", `50% "off"`)},
		{Name: "binary-quoted", Request: with(binaryRequest(tokens[0], "text/plain", []byte("words")), "ce-subject", `"a \"b\" %C3%A9"`)},
		{Name: "binary-once-decoded", Request: with(binaryRequest(tokens[0], "text/plain", []byte("words")), "ce-subject", "a%2520b+c")},
		{Name: "binary-no-data", Request: with(binaryRequest(tokens[0], "", nil), "Content-Type")},
		{Name: "binary-latin-1", Request: with(binaryRequest(tokens[0], "text/plain", []byte("words")), "ce-subject", "caf\xe9"), Refused: "malformed_body"},
		{Name: "binary-id-missing", Request: with(binaryRequest(tokens[0], "text/plain", []byte("words")), "ce-id"), Refused: "media_type"},
		{Name: "binary-id-empty", Request: with(binaryRequest(tokens[0], "text/plain", []byte("words")), "ce-id", ""), Refused: "malformed_body"},
		{Name: "binary-id-twice", Request: with(binaryRequest(tokens[0], "text/plain", []byte("words")), "ce-id", "1", "1"), Refused: "malformed_body"},
		{Name: "binary-datacontenttype", Request: with(binaryRequest(tokens[0], "text/plain", []byte("words")), "ce-datacontenttype", "text/plain"), Refused: "malformed_body"},

		{Name: "origin-of-another", Request: with(good(json, string(event(""))), "WebHook-Request-Origin", emitter+".evil.example.net"), Refused: "forbidden"},
		{Name: "origin-by-its-old-name", Request: with(with(good(json, string(event(""))), "WebHook-Request-Origin"), "Origin", "EventEmitter.example.com")},
		{Name: "origin-by-its-old-name-of-another", Request: with(with(good(json, string(event(""))), "WebHook-Request-Origin"), "Origin", "evil.example.net"), Refused: "forbidden"},
		{Name: "origin-of-a-browser", Request: with(with(good(json, string(event(""))), "WebHook-Request-Origin"), "Origin", "https://app.example.net")},
		{Name: "origin-none", Request: with(good(json, string(event(""))), "WebHook-Request-Origin")},
		{Name: "unauthenticated", Settings: `{"unauthenticated":true}`, Request: request("", json, event(""))},
	}
}

// The items of a batch stay where they are in its body, in their order.
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

// readRequest reads a request as its file has it, without the line end behind the body. It is made good by the token.
func readRequest(t testing.TB, path string) *provider.Request {
	t.Helper()
	head, body, _ := strings.Cut(providertest.ReadFile(t, path), "\n\n")
	r, err := http.ReadRequest(bufio.NewReader(strings.NewReader(head + "\n\n")))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+tokens[0])
	return &provider.Request{Method: r.Method, Target: r.RequestURI, Header: r.Header, Body: []byte(strings.TrimSuffix(body, "\n")), ReceivedAt: providertest.Now}
}
