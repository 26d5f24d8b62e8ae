package generic

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/bellhop-gateway/bellhop/provider"
	"github.com/bellhop-gateway/bellhop/signature"
)

func TestParseHeaderForm(t *testing.T) {
	for text, want := range map[string]headerForm{
		"": {}, "ts={timestamp};h1={signature}": {";", "ts", "h1", true},
		"t={timestamp}, v1={signature}": {", ", "t", "v1", true},
		"v1={signature} t={timestamp}":  {" ", "t", "v1", false},
	} {
		if got, err := parseHeaderForm(text); got != want || err != nil {
			t.Errorf("%q: got %+v, %v, want %+v", text, got, err, want)
		}
	}
	for _, text := range []string{"t={timestamp}", "{timestamp},{signature}", "t={timestamp},t={signature}",
		"t={timestamp}v1={signature}", "t={timestamp},v1={signature},x=1", "t={timestamp}|v1={signature}",
		"a b={timestamp},v1={signature}", "t={time},v1={signature}"} {
		if got, err := parseHeaderForm(text); err == nil {
			t.Errorf("%q: got %+v", text, got)
		}
	}
}

func TestReadHeaderForm(t *testing.T) {
	f := headerForm{";", "ts", "h1", true}
	for value, want := range map[string]struct {
		timestamp  string
		signatures []string
		err        error
	}{
		"ts=1;h1=a":            {"1", []string{"a"}, nil},
		"h1=a;ts=1;h1=b=;h2=c": {"1", []string{"a", "b="}, nil},
		"ts=1;" + strings.Repeat("h1=a;", 15) + "h1=a": {"1", slices.Repeat([]string{"a"}, 16), nil},
		"ts=1;" + strings.Repeat("h1=a;", 16) + "h1=a": {err: signature.ErrMalformed},
		"ts=1;ts=1;h1=a": {err: signature.ErrMalformed},
		"ts=1;h1=a;":     {err: signature.ErrMalformed},
		"ts=1;h1=a=b":    {err: signature.ErrMalformed},
		"ts=1; h1=a":     {err: signature.ErrMissing},
		"ts=1":           {err: signature.ErrMissing},
		"h1=a":           {err: signature.ErrMissing},
		"ts=;h1=a":       {err: signature.ErrMissing},
		"ts=1;h1=":       {err: signature.ErrMissing},
		"":               {err: signature.ErrMalformed},
	} {
		timestamp, signatures, err := f.read(value)
		if timestamp != want.timestamp || !slices.Equal(signatures, want.signatures) || !errors.Is(err, want.err) {
			t.Errorf("%.40q: got %q, %q, %v", value, timestamp, signatures, err)
		}
	}
}

// FuzzHeaderForm checks that no header panics, and that what is written is read again.
func FuzzHeaderForm(f *testing.F) {
	f.Add("ts={timestamp};h1={signature}", "ts=1;h1=ab", "1", "ab")
	f.Add("v1={signature}, t={timestamp}", "t=1, v1=ab=", "1", "ab=")
	f.Fuzz(func(t *testing.T, text, header, timestamp, sum string) {
		form, err := parseHeaderForm(text)
		if err != nil || !form.isSet() {
			return
		}
		form.read(header)
		if timestamp == "" || sum == "" || !provider.Alphanumeric(timestamp, "") || !provider.Alphanumeric(sum, "+/") {
			return
		}
		got, sums, err := form.read(form.write(timestamp, sum))
		if got != timestamp || !slices.Equal(sums, []string{sum}) || err != nil {
			t.Errorf("%q: %q, %q, %v", text, got, sums, err)
		}
	})
}

// FuzzQueryForms checks that the forms of a query are few, and that each has the same parameters.
func FuzzQueryForms(f *testing.F) {
	for _, query := range []string{"", "Body=It's+on", "a=%27%2C%zz&b=+&c", "a=%26&b=%3D", "%%%", "a=%2527"} {
		f.Add(query)
	}
	f.Fuzz(func(t *testing.T, query string) {
		forms := queryForms(query)
		if len(forms) > 5 || forms[0] != query {
			t.Fatalf("%q: %q", query, forms)
		}
		want, err := parseForm(query)
		for _, form := range forms {
			got, gotErr := parseForm(form)
			if err == nil && (gotErr != nil || !slices.Equal(got, want)) {
				t.Errorf("%q has other parameters than %q: %q, %q, %v", form, query, got, want, gotErr)
			}
		}
	})
}
