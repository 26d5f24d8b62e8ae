package provider_test

import (
	"net/http"
	"slices"
	"testing"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/provider"
)

func TestTexts(t *testing.T) {
	for _, c := range []struct {
		text                       string
		header, visible, printable bool
	}{
		{"", false, true, true}, {"X-Signature", true, true, true}, {"a!#$%&'*+-.^_`|~9Z", true, true, true},
		{"a b", false, false, true}, {" a", false, false, false}, {"a ", false, false, false},
		{"a:b", false, true, true},
		{"a\tb", false, false, false}, {"a\r\nb", false, false, false}, {"a\x00", false, false, false},
		{"a\x7f", false, false, false}, {"é", false, false, false}, {"\xff", false, false, false},
		{"\u212A", false, false, false}, {"\u00a0a", false, false, false},
	} {
		if got := bellhop.HeaderName(c.text); got != c.header {
			t.Errorf("HeaderName(%q) is %v", c.text, got)
		}
		if got := provider.Visible(c.text); got != c.visible {
			t.Errorf("Visible(%q) is %v", c.text, got)
		}
		if got := provider.Printable(c.text); got != c.printable {
			t.Errorf("Printable(%q) is %v", c.text, got)
		}
	}
}

func TestAlphanumeric(t *testing.T) {
	for text, want := range map[string]bool{
		"": true, "azAZ09": true, "a-b": true, "a.b": false, "a b": false, "é": false, "\xc2": false,
		"@": false, "[": false, "`": false, "{": false, "/": false, ":": false,
	} {
		if got := provider.Alphanumeric(text, "-"); got != want {
			t.Errorf("%q: %v", text, got)
		}
	}
}

func TestGUID(t *testing.T) {
	const guid = "7e9a1c34-52bd-4e08-a1f6-90d3c85b2e67"
	for text, want := range map[string]bool{
		guid: true, "7E9A1C34-52BD-4E08-A1F6-90D3C85B2E67": true, "": false, guid[1:]: false, guid + "0": false,
		guid[:35] + "\n": false, guid[:35] + "g": false,
		guid[:34] + "é": false, "7e9a1c345-2bd-4e08-a1f6-90d3c85b2e67": false, "{" + guid[2:] + "}": false,
		"7e9a1c34_52bd_4e08_a1f6_90d3c85b2e67": false,
	} {
		if got := provider.IsGUID(text); got != want {
			t.Errorf("%q: %v", text, got)
		}
	}
	b := [16]byte{0xff, 1, 2, 3, 4, 5, 0xff, 7, 0xff, 9, 10, 11, 12, 13, 14, 15}
	for version, want := range map[byte]string{4: "ff010203-0405-4f07-bf09-0a0b0c0d0e0f",
		8: "ff010203-0405-8f07-bf09-0a0b0c0d0e0f"} {
		if got := provider.NewGUID(b, version); got != want || !provider.IsGUID(got) {
			t.Errorf("version %d: %s", version, got)
		}
	}
}

func TestQuery(t *testing.T) {
	for _, c := range []struct {
		target string
		want   []string
	}{
		{"/in/x", nil},
		{"/in/x?", nil},
		{"/in/x?other=1", nil},
		{"/in/x?Code=1", nil},
		{"/in/x?code", []string{""}},
		{"/in/x?code=", []string{""}},
		{"/in/x?code=s3cret", []string{"s3cret"}},
		{"/in/x?a=1&code=s3cret&b=2", []string{"s3cret"}},
		{"/in/x?c%6fde=a%2Bb+c", []string{"a+b c"}},
		{"/in/x?code=1&code=2", []string{"1", "2"}},
		{"/in/x?code=%zz&code=2", []string{"%zz", "2"}},
		{"/in/x?code=a=b?c", []string{"a=b?c"}},
		{"/in/x?code=a;b", []string{"a;b"}},
	} {
		if got := provider.Query(c.target, "code"); !slices.Equal(got, c.want) {
			t.Errorf("Query(%q) = %q, want %q", c.target, got, c.want)
		}
	}
}

func TestAllowedRate(t *testing.T) {
	for _, c := range []struct {
		values []string
		want   int
		given  bool
		fails  bool
	}{
		{nil, 0, false, false}, {[]string{"*"}, 0, true, false}, {[]string{"1"}, 1, true, false},
		{[]string{"120"}, 120, true, false},
		{[]string{"999999999"}, 999_999_999, true, false}, {[]string{"1000000000"}, 0, true, true},
		{[]string{"0"}, 0, true, true},
		{[]string{""}, 0, true, true}, {[]string{"-1"}, 0, true, true}, {[]string{"+1"}, 0, true, true},
		{[]string{"1.5"}, 0, true, true},
		{[]string{" 1"}, 0, true, true}, {[]string{"many"}, 0, true, true}, {[]string{"1", "1"}, 0, true, true},
		{[]string{"*", "*"}, 0, true, true},
	} {
		got, given, err := provider.AllowedRate(http.Header{"Webhook-Allowed-Rate": c.values})
		if got != c.want || given != c.given || (err != nil) != c.fails {
			t.Errorf("%q: %d, %t, %v", c.values, got, given, err)
		}
	}
}
