package cloudevents_test

import (
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/bellhop-gateway/bellhop/provider"
	"github.com/bellhop-gateway/bellhop/provider/cloudevents"
)

// The cases of the Go SDK's tests and of the specification's examples that the conformance suite does not have, by
// their names there, as members of an event in the JSON format. A case without a name of its own has that of its test.
// Sources:
//
//	-
//	  https://github.com/cloudevents/sdk-go/blob/0922135050aab54369a1d4bc0f2a34789c6f196d/v2/event/event_unmarshal_test.go
//	-
//	  https://github.com/cloudevents/sdk-go/blob/0a5202bf31a5927f261fb8ee0bba88cef0963d8c/v2/event/eventcontext_v1_test.go
//	- https://github.com/cloudevents/sdk-go/blob/79ffd85f9f9ac731f2bed3be6be9dbce83a6b36f/v2/event/extensions_test.go
//	- https://github.com/cloudevents/sdk-go/blob/0a5202bf31a5927f261fb8ee0bba88cef0963d8c/v2/types/timestamp_test.go
//	- https://github.com/cloudevents/sdk-go/blob/0a5202bf31a5927f261fb8ee0bba88cef0963d8c/v2/types/value_test.go
//	- https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/formats/json-format.md#32-examples
const (
	sdkSource = `"source":"http://example.com/source"`
	sdkEvent  = `"id":"ABC-123","type":"io.cloudevents.test",` + sdkSource
	sdkSchema = `"dataschema":"http://example.com/schema"`
	sdkExts   = `"exbool":true,"exint":42,"exstring":"exstring","exbinary":"AAECAw==","exurl":"http://example.com/source",` +
		`"extime":"2026-11-30T01:02:03.456789Z"`
	sdkHello = `"data_base64":"eyJoZWxsbyI6IndvcmxkIn0="`
	sdkJSON  = `"datacontenttype":"application/json"`
	sdkMany  = `"ext1":"1","ext2":"2","ext3":"3","ext4":"4","ext5":"5","ext6":"6","ext7":"7","ext8":"8","ext9":"9",` +
		`"ext10":"10"`
)

var publishedEvents = map[string]string{
	"struct data v1.0": conformOne + "," + sdkJSON + `,"data":{"a":42,"b":"testing"},` + sdkEvent + "," + sdkSchema +
		"," + sdkExts,
	"string data v1.0": conformOne + "," + sdkJSON + `,"data":"This is a string.",` + sdkEvent +
		"," + sdkExts,
	"array data v1.0": conformOne + "," + sdkJSON + `,"data":["This is a string array"],` + sdkEvent,
	"nil data v1.0":   conformOne + "," + sdkJSON + "," + sdkEvent + "," + sdkExts + "," + sdkSchema,
	"null attributes v1.0": conformOne + "," + sdkEvent +
		`,"time":null,"exbool":null,"exurl":null,"dataschema":null`,
	"base64 json encoded data v1.0": conformOne + "," + sdkJSON + "," + sdkHello + "," + sdkEvent + "," + sdkSchema,
	"base64 json encoded data v1.0 - escaped json string": conformOne +
		`,"datacontenttype":"text/plain","data_base64":"\u002B\u002B\u002B\u002B",` + sdkEvent,
	"base64 xml encoded data v1.0": conformOne + "," + sdkJSON + `,"data_base64":"PGEvPg==",` +
		sdkEvent,
	"xml data v1.0": conformOne +
		`,"datacontenttype":"application/xml","data":"<a/>",` + sdkEvent,
	"specversion -> data_base64 -> datacontenttype": conformOne + "," + sdkHello + "," + sdkJSON + "," + sdkEvent,
	"data_base64 -> datacontenttype -> specversion": sdkEvent + "," + sdkHello + "," + sdkJSON + "," + conformOne,
	"data -> datacontenttype -> datacontentencoding -> specversion": sdkEvent + `,"data":{"a":42},` + sdkJSON +
		`,"datacontentencoding":"base64",` + conformOne,
	"more than 16 attributes and specversion as last attribute": sdkEvent + "," + sdkSchema +
		`,"data":{"a":42},"subject":"sub",` + sdkJSON + "," + sdkMany + "," + conformOne,
	"more than 16 attributes and specversion as first attribute": conformOne + "," + sdkEvent + "," + sdkSchema +
		`,"data":{"a":42},"subject":"sub",` + sdkJSON + "," + sdkMany,
	"valid key":                       minimal + `,"validkey123":"a"`,
	"application/json with encoding":  minimal + `,"datacontenttype":"application/json; charset=utf-8"`,
	"TestTimestampParseString":        minimal + `,"time":"1984-02-28T15:04:05Z"`,
	"TestTimestampParseString, nanos": minimal + `,"time":"1984-02-28T15:04:05.999999999Z"`,
	"TestTime":                        minimal + `,"time":"2020-03-21T12:34:56.78Z"`,
	"TestInteger, bounds":             minimal + `,"max":2147483647,"min":-2147483648,"zero":0`,
	"TestBinary, empty":               minimal + `,"data_base64":""`,
	"TestURL, relative":               conformOne + "," + conformID + "," + conformType + `,"source":"world"`,
	"spec: thrift, Binary": minimal +
		`,"datacontenttype":"application/vnd.apache.thrift.binary","data_base64":"AAEC"`,
	"spec: xml and a null extension": minimal +
		`,"comexampleothervalue":5,"unsetextension":null,"data":"<much wow=\"xml\"/>"`,
	"spec: a literal JSON string":    minimal + `,"subject":null,"data":"I'm just a string"`,
	"spec: an explicit null payload": minimal + `,"data":null`,
}

var publishedFaults = map[string]string{
	"no Type":                        conformOne + "," + conformID + "," + conformSource,
	"missing source":                 conformOne + "," + conformID + "," + conformType,
	"non-empty SpecVersion":          `"specversion":"",` + sdkEvent,
	"invalid contentType":            minimal + `,"datacontenttype":"bogus ;========="`,
	"just encoding":                  minimal + `,"datacontenttype":"charset=utf-8"`,
	"invalid character":              minimal + `,"invalid_key":"a"`,
	"empty key":                      minimal + `,"":"a"`,
	"TestTimestampParseString, date": minimal + `,"time":"2019-02-28"`,
	"TestTime, words":                minimal + `,"time":"not a time"`,
	"TestTime, number":               minimal + `,"time":5`,
	"TestInteger, above":             minimal + `,"ext":2147483648`,
	"TestInteger, below":             minimal + `,"ext":-2147483649`,
	"TestInteger, fraction":          minimal + `,"ext":123.4`,
	"TestInteger, not JSON":          minimal + `,"ext":.9`,
	"TestBinary, XXX":                minimal + `,"data_base64":"XXX"`,
	"TestURL, escape":                minimal + `,"dataschema":"http://example.com/%url"`,
	"TestIncompatible, map":          minimal + `,"ext":{}`,
	"spec: an integer with a point":  minimal + `,"ext":1.0`,
	"spec: both members":             minimal + `,"data":{"a":1},` + sdkHello,
}

func TestPublishedEvents(t *testing.T) {
	t.Parallel()
	for name, members := range publishedEvents {
		ev, err := cloudevents.Parse([]byte("{" + members + "}"))
		if err != nil || ev.Type != "io.cloudevents.test" {
			t.Errorf("%s: %+v, %v", name, ev, err)
		}
	}
	for name, members := range publishedFaults {
		ev, err := cloudevents.Parse([]byte("{" + members + "}"))
		if !errors.Is(err, provider.ErrBody) {
			t.Errorf("%s: %+v, %v", name, ev, err)
		}
	}
	ev, err := cloudevents.Parse([]byte("{" + publishedEvents["TestTimestampParseString, nanos"] + "}"))
	if want := time.Date(1984, 2, 28, 15, 4, 5, 999_999_999, time.UTC); err != nil || !ev.Time.Equal(want) {
		t.Errorf("got %v, %v", ev.Time, err)
	}
}

// TestPublished03: version 0.3 says by datacontentencoding that data is Base64, and data_base64 is no member of its
// own there, so an event that has both is one with an extension.
func TestPublished03(t *testing.T) {
	t.Parallel()
	r := open(t, map[string]any{"accept_03": true})
	const v03, encoded = `"specversion":"0.3"`, `"data":"eyJoZWxsbyI6IndvcmxkIn0=","datacontentencoding":"base64"`
	for name, members := range map[string]string{
		"struct data v0.3": v03 + "," + sdkJSON + `,"data":{"a":42},` + sdkEvent + "," + sdkExts +
			`,"schemaurl":"http://example.com/schema"`,
		"nil data v0.3": v03 + "," + sdkJSON + "," + sdkEvent,
		"more than 16 attributes and specversion as first attribute v0.3": v03 + "," + sdkEvent + `,"data":{"a":42},` +
			`"subject":"sub",` + sdkMany,
		"specversion -> datacontentencoding -> data": v03 + "," + sdkJSON + "," + encoded + "," + sdkEvent,
		"data -> datacontentencoding -> specversion": encoded + "," + sdkEvent + "," + sdkJSON + "," + v03,
		"data/data_base64":                           `"data_base64":"foo",` + encoded + "," + sdkEvent + "," + v03,
	} {
		receipt, err := r.Receive(t.Context(), request(tokens[0], cloudevents.MediaType, []byte("{"+members+"}")))
		if err != nil || len(receipt.Events) != 1 || receipt.Events[0].Type != "io.cloudevents.test" {
			t.Errorf("%s: %+v, %v", name, receipt, err)
		}
	}
}

// TestPublishedHeaders has the forms of requests in the SDK's tests and in the HTTP binding.
// Sources:
//
//	-
//	  https://github.com/cloudevents/sdk-go/blob/0331394117d40bbbe9448cb7008cf2566fa29a86/v2/protocol/http/message_test.go
//	- https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/bindings/http-protocol-binding.md
func TestPublishedHeaders(t *testing.T) {
	t.Parallel()
	const whole = `{"data":"foo","datacontenttype":"application/json","id":"id","source":"source","specversion":"1.0",` +
		`"type":"type"}`
	binary := "ce-specversion: 1.0|ce-source: unittest|ce-type: unittest|ce-id: unittest|"
	for name, c := range map[string]struct {
		header, body string
		subject      string
		want         error
	}{
		"Structured encoding": {header: "Content-Type: application/cloudevents+json", body: whole},
		"Structured encoding, with charset": {header: "Content-Type: application/cloudevents+json; charset=UTF-8",
			body: whole},
		"Structured and the headers as well": {header: binary +
			"Content-Type: application/cloudevents+json", body: whole},
		"Binary encoding": {header: binary + "Content-Type: application/json"},
		"Binary, capitals": {header: strings.ToUpper(binary) +
			"CONTENT-TYPE: text/plain", body: "a"},
		"Unknown": {header: "Content-Type: application/json", body: "{}", want: provider.ErrMediaType},
		"NoBody":  {header: "Content-Type: application/json", want: provider.ErrMediaType},
		"Batch": {header: "Content-Type: application/cloudevents-batch+json; charset=UTF-8",
			body: "[" + whole + "," + strings.Replace(whole, `"id":"id"`, `"id":"2"`, 1) + "]"},
		"a format that is not known": {header: "Content-Type: application/cloudevents+avro", body: "x",
			want: provider.ErrMediaType},
		"percent-encoded": {header: binary + "ce-subject: Euro%20%E2%82%AC%20%F0%9F%98%80|Content-Type: text/plain",
			body: "a", subject: "Euro € 😀"},
		"percent-encoded in lower case": {header: binary + "ce-subject: Euro%20%e2%82%ac|Content-Type: text/plain",
			body: "a", subject: "Euro €"},
		"encoded without need": {header: binary +
			"ce-subject: %41b|Content-Type: text/plain", body: "a", subject: "Ab"},
		"quoted, of older versions": {header: binary + `ce-subject: "a \"b\""|Content-Type: text/plain`, body: "a",
			subject: `a "b"`},
		"an overlong encoding": {header: binary + "ce-subject: %C0%A0|Content-Type: text/plain", body: "a",
			want: provider.ErrBody},
		"datacontenttype as a header too": {header: binary + "ce-datacontenttype: text/plain|Content-Type: text/plain",
			body: "a", want: provider.ErrBody},
	} {
		h := http.Header{}
		for line := range strings.SplitSeq(c.header, "|") {
			key, value, _ := strings.Cut(line, ": ")
			h.Add(key, value)
		}
		receipt, err := cloudevents.ReadRequest(h, []byte(c.body))
		none := len(receipt.Events) == 0
		if !errors.Is(err, c.want) || err == nil && (none || receipt.Events[0].Subject != c.subject) {
			t.Errorf("%s: %+v, %v", name, receipt, err)
		}
	}
}
