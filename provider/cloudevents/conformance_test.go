package cloudevents_test

import (
	"errors"
	"net/http"
	"testing"

	"github.com/bellhop-gateway/bellhop/provider"
	"github.com/bellhop-gateway/bellhop/provider/cloudevents"
)

// The cases of the conformance suite of CloudEvents for the JSON format, by their names there: events, by the members
// that each has beside or in place of those of the minimal event.
// Source: https://github.com/cloudevents/conformance/tree/main/format/json
const (
	conformID     = `"id":"minimal"`
	conformType   = `"type":"io.cloudevents.test"`
	conformSource = `"source":"https://cloudevents.io"`
	conformOne    = `"specversion":"1.0"`
	minimal       = conformOne + "," + conformID + "," + conformType + "," + conformSource
)

var conforming = map[string]string{
	"validMinimal": minimal,
	"validMinimalWithNullForOptional": minimal +
		`,"datacontenttype":null,"dataschema":null,"subject":null,"time":null`,
	"validAllCoreAttributes": minimal + `,"datacontenttype":"text/plain",` +
		`"dataschema":"https://cloudevents.io/dataschema","subject":"tests","time":"2018-04-05T17:31:00Z"`,
	"validMinimalWithTimeUtc":                 minimal + `,"time":"2018-04-05T17:31:00Z"`,
	"validMinimalWithTimeToNanosecondsUtc":    minimal + `,"time":"2018-04-05T17:31:00.000000000Z"`,
	"validMinimalWithTimeUsingPositiveOffset": minimal + `,"time":"2018-04-05T18:31:00+01:00"`,
	"validMinimalWithTimeUsingNegativeOffset": minimal + `,"time":"2018-04-05T16:31:00-01:00"`,
	"validRelativeSource": conformOne + "," + conformID + "," + conformType +
		`,"source":"#fragment"`,
	"validSimpleTextData": minimal + `,"datacontenttype":"text/plain","data":"Simple text"`,
	"validAllExtensionTypes": minimal + `,"extinteger":10,"extboolean":true,"extstring":"text",` +
		`"exturi":"https://cloudevents.io","exturiref":"//authority/path","exttimestamp":"2023-03-31T15:12:00Z",` +
		`"extbinary":"TWE="`,
	// The suite refuses this one. It counts as absent here, since Event Grid sends an empty subject in place of none.
	"invalidEmptySubject": minimal + `,"subject":""`,
	// Cases of our own, at the bounds of a rule.
	"an extension of 32 bits":   minimal + `,"ext":-2147483648,"ext2":2147483647`,
	"an empty extension":        minimal + `,"ext":""`,
	"a time in lower case":      minimal + `,"time":"2018-04-05t17:31:00z"`,
	"data and null":             minimal + `,"data":{"A":1.5},"data_base64":null`,
	"a type with a parameter":   minimal + `,"datacontenttype":"text/plain; charset=utf-8"`,
	"a name of more characters": minimal + `,"abcdefghijklmnopqrstuvwxyz0123456789":"a"`,
}

var notConforming = map[string]string{
	"invalidNoSpecVersion":             conformID + "," + conformType + "," + conformSource,
	"invalidNoId":                      conformOne + "," + conformType + "," + conformSource,
	"invalidNoType":                    conformOne + "," + conformID + "," + conformSource,
	"invalidNoSource":                  conformOne + "," + conformID + "," + conformType,
	"invalidTimeGarbage":               minimal + `,"time":"lunchtime"`,
	"invalidTimeToMinute":              minimal + `,"time":"2018-04-05T18:31Z"`,
	"invalidTimeOffsetX":               minimal + `,"time":"2018-04-05T18:31:00X"`,
	"invalidTimeOffsetOutOfRange":      minimal + `,"time":"2018-04-05T18:31:00+25:00"`,
	"invalidTimeOffsetNonInteger":      minimal + `,"time":"2018-04-05T18:31:00+xx:00"`,
	"invalidTimeOffsetHourOnly":        minimal + `,"time":"2018-04-05T18:31:00+05"`,
	"invalidEmptyId":                   conformOne + "," + conformType + "," + conformSource + `,"id":""`,
	"invalidEmptyType":                 conformOne + "," + conformID + "," + conformSource + `,"type":""`,
	"invalidEmptySource":               conformOne + "," + conformID + "," + conformType + `,"source":""`,
	"invalidEmptySpecVersion":          conformID + "," + conformType + "," + conformSource + `,"specversion":""`,
	"invalidUnknownSpecVersion":        conformID + "," + conformType + "," + conformSource + `,"specversion":"0.9"`,
	"invalidNonRfc2046DataContentType": minimal + `,"datacontenttype":"xyz"`,
	"invalidEmptyDataContentType":      minimal + `,"datacontenttype":""`,
	"invalidEmptyDataSchema":           minimal + `,"dataschema":""`,
	"invalidNumericId":                 conformOne + "," + conformType + "," + conformSource + `,"id":25`,
	"invalidObjectId":                  conformOne + "," + conformType + "," + conformSource + `,"id":{"xyz":"abc"}`,
	"invalidCapitalizedExtension":      minimal + `,"MyExtension":"bad"`,
	"invalidPunctuatedExtension":       minimal + `,"my.extension":"bad"`,
	"invalidNonIntegerExtensionValue":  minimal + `,"my.extension":1.5`,
	"invalidBothDataAndDataBase64":     minimal + `,"data":"text","data_base64":"eyAieHl6IjogMTIzIH0="`,
	// Cases of our own.
	"a fraction":                 minimal + `,"ext":1.5`,
	"an exponent":                minimal + `,"ext":1e3`,
	"a number beyond 32 bits":    minimal + `,"ext":2147483648`,
	"an object":                  minimal + `,"ext":{"a":1}`,
	"a list":                     minimal + `,"ext":[1]`,
	"an attribute without name":  minimal + `,"":"a"`,
	"a name beyond ASCII":        minimal + `,"é":"a"`,
	"an empty time":              minimal + `,"time":""`,
	"a subject that is a number": minimal + `,"subject":1`,
	"a relative schema":          minimal + `,"dataschema":"a/b"`,
	"data_base64 that is none":   minimal + `,"data_base64":"ab!"`,
	"data_base64 of numbers":     minimal + `,"data_base64":[1]`,
}

func TestConformance(t *testing.T) {
	for name, members := range conforming {
		if ev, err := cloudevents.Parse([]byte("{" + members + "}")); err != nil || ev.Type != "io.cloudevents.test" {
			t.Errorf("%s: %+v, %v", name, ev, err)
		}
	}
	for name, members := range notConforming {
		if ev, err := cloudevents.Parse([]byte("{" + members + "}")); !errors.Is(err, provider.ErrBody) {
			t.Errorf("%s: %+v, %v", name, ev, err)
		}
	}
}

// The suite refuses a batch with any invalid event. Here only that event is refused, so that its neighbours are not
// lost.
func TestConformanceBatches(t *testing.T) {
	h := http.Header{"Content-Type": {cloudevents.BatchMediaType}}
	for name, c := range map[string]struct {
		batch           string
		events, refused int
	}{
		"validEmpty":      {"[]", 0, 0},
		"validTwoMinimal": {"[{" + minimal + "},{" + minimal + "}]", 2, 0},
		"invalidBatchMixedSpecVersions": {"[{" + minimal + "},{" + notConforming["invalidUnknownSpecVersion"] +
			"}]", 1, 1},
		"invalidBatchContainingInvalidCloudEvent": {"[{" + notConforming["invalidNoId"] + "}]", 0, -1},
		"invalidBatchContainingNonObject":         {`["not an object",{` + minimal + "}]", 1, 1},
	} {
		receipt, err := cloudevents.ReadRequest(h, []byte(c.batch))
		if c.refused < 0 {
			if !errors.Is(err, provider.ErrBody) {
				t.Errorf("%s: %v", name, err)
			}
			continue
		}
		if err != nil || len(receipt.Events) != c.events || len(receipt.Refused) != c.refused {
			t.Errorf("%s: %+v, %v", name, receipt, err)
		}
	}
}

// TestConformanceBinary: the same rules hold for the headers of a binary event.
func TestConformanceBinary(t *testing.T) {
	for name, c := range map[string]struct {
		header, value string
		ok            bool
	}{
		"a time": {"Ce-Time", "2018-04-05T17:31:00Z", true}, "a bad time": {"Ce-Time", "lunchtime", false},
		"an empty time": {"Ce-Time", "", false}, "an empty subject": {"Ce-Subject", "", true},
		"an empty schema": {"Ce-Dataschema", "", false}, "a schema": {"Ce-Dataschema", "https://example.com/a", true},
		"an extension": {"Ce-Ext", "1.5", true}, "an odd name": {"Ce-My-Ext", "a", false},
		"an empty id":     {"Ce-Id", "", false},
		"an empty source": {"Ce-Source", "", false}, "an empty type": {"Ce-Type", "", false},
		"another version": {"Ce-Specversion", "0.9", false}, "a content type": {"Ce-Datacontenttype", "a/b", false},
	} {
		h := http.Header{"Content-Type": {"text/plain"}, "Ce-Specversion": {"1.0"}, "Ce-Id": {"1"},
			"Ce-Source": {"/s"},
			"Ce-Type":   {"t"}}
		h[c.header] = []string{c.value}
		if _, err := cloudevents.ReadRequest(h, []byte("data")); (err == nil) != c.ok ||
			err != nil && !errors.Is(err, provider.ErrBody) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
