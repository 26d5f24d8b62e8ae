package cloudevents_test

import (
	"errors"
	"testing"
	"unicode/utf8"

	"github.com/bellhop-gateway/bellhop/provider"
	"github.com/bellhop-gateway/bellhop/provider/cloudevents"
	"github.com/bellhop-gateway/bellhop/provider/providertest"
)

type headerValue struct{ Name, Value, Header string }

type headerValues struct {
	RoundTrip  []headerValue `json:"round_trip"`
	DecodeOnly []headerValue `json:"decode_only"`
	MustReject []headerValue `json:"must_reject"`
}

func readHeaderValues(t testing.TB) (v headerValues) {
	t.Helper()
	providertest.ReadJSON(t, "testdata/header-values.json", &v)
	if len(v.RoundTrip) != 8 || len(v.DecodeOnly) != 4 || len(v.MustReject) != 3 {
		t.Fatalf("%d, %d and %d vectors", len(v.RoundTrip), len(v.DecodeOnly), len(v.MustReject))
	}
	return v
}

func TestHeaderValueVectors(t *testing.T) {
	all := readHeaderValues(t)
	for _, v := range all.RoundTrip {
		if got := cloudevents.EncodeHeaderValue(v.Value); got != v.Header {
			t.Errorf("%s: encoded as %q, want %q", v.Name, got, v.Header)
		}
	}
	for _, v := range append(all.RoundTrip, all.DecodeOnly...) {
		if got, err := cloudevents.DecodeHeaderValue(v.Header); got != v.Value || err != nil {
			t.Errorf("%s: decoded as %q, %v; want %q", v.Name, got, err, v.Value)
		}
	}
	for _, v := range all.MustReject {
		if got, err := cloudevents.DecodeHeaderValue(v.Header); !errors.Is(err, provider.ErrBody) {
			t.Errorf("%s: decoded as %q, %v", v.Header, got, err)
		}
	}
}

// Values that no specification allows, but some senders write.
func TestDecodeHeaderValueTolerant(t *testing.T) {
	for header, want := range map[string]string{
		"":             "",
		"файл":         "файл",
		"50% off":      "50% off",
		"%":            "%",
		"%4":           "%4",
		"%+1":          "%+1",
		"100%zz":       "100%zz",
		"%2520":        "%20",
		"a+b":          "a+b",
		`"`:            `"`,
		`""`:           "",
		`"open`:        `"open`,
		`"open\`:       `"open\`,
		`"a" and "b"`:  `"a" and "b"`,
		`"ends in \"`:  `"ends in \"`,
		`"\\"`:         `\`,
		`"%22"`:        `"`,
		`say "hi"`:     `say "hi"`,
		`back\slash`:   `back\slash`,
		"%E2%82%AC%2B": "€+",
	} {
		if got, err := cloudevents.DecodeHeaderValue(header); got != want || err != nil {
			t.Errorf("%q: got %q, %v; want %q", header, got, err, want)
		}
	}
}

func FuzzHeaderValue(f *testing.F) {
	all := readHeaderValues(f)
	for _, v := range append(append(all.RoundTrip, all.DecodeOnly...), all.MustReject...) {
		f.Add(v.Value)
		f.Add(v.Header)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if got, err := cloudevents.DecodeHeaderValue(text); err == nil && !utf8.ValidString(got) {
			t.Errorf("%q is decoded as %q", text, got)
		}
		header := cloudevents.EncodeHeaderValue(text)
		for _, c := range []byte(header) {
			if c < 0x21 || c > 0x7e || c == '"' {
				t.Fatalf("%q is encoded as %q", text, header)
			}
		}
		if got, err := cloudevents.DecodeHeaderValue(header); (err == nil) != utf8.ValidString(text) || err == nil &&
			got != text {
			t.Errorf("%q decodes to %q, %v", text, got, err)
		}
	})
}
