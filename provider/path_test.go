package provider_test

import (
	"net/http"
	"net/url"
	"path"
	"strings"
	"testing"
	"time"

	"github.com/bellhop-gateway/bellhop/provider"
)

// TestResourcePath: the resource of a notification becomes a path below the one that it is joined to, or is refused.
func TestResourcePath(t *testing.T) {
	t.Parallel()
	for resource, want := range map[string]string{
		"me/messages/AAMkAG=":                 "/me/messages/AAMkAG=",
		"/me/messages/1":                      "/me/messages/1",
		"Users('a-b@c')/Messages('AA+_-=')":   "/Users('a-b@c')/Messages('AA+_-=')",
		"chats('19:x@thread.v2')/messages(1)": "/chats('19:x@thread.v2')/messages(1)",
		"a b/ü/[x]/%41%20":                    "/a%20b/%C3%BC/%5Bx%5D/A%20",
		"a/.../..b/b..":                       "/a/.../..b/b..",
		"100%25/x":                            "/100%25/x",
	} {
		if got, err := provider.ResourcePath(resource); err != nil || got != want {
			t.Errorf("%s: %q, %v, want %q", resource, got, err, want)
		}
	}
	for resource, want := range map[string]string{
		"": "empty", "/": "empty", "//evil.example.com/x": "//", "a//b": "//", "a/": "//", "/a//": "//",
		"https://evil.example.com/x": "scheme", "a?x=1": "query", "a#x": "fragment",
		"../x": ". or .. as a", "a/./b": ". or .. as a", "a/..": ". or .. as a", "a/%2e%2E/b": ". or .. as a",
		"a/.%2e/b":       ". or .. as a",
		"a/%252e%252e/b": ". or .. as a", "a/%25252e%25252e/b": ". or .. as a", "a/%2e/b": ". or .. as a",
		"a/b%2f..%2fc": "slash", "a/b%5c..": "slash", `a\..\b`: "slash", "a/%252fb": "slash",
		"a/\x00": "control", "a/%00": "control", "a/%0d%0aHost:x": "control", "a/%250a": "control", "a/\n": "control",
		"a/\xff": "UTF-8", "a/%ff": "UTF-8", "a/%c2%85": "control",
		"a/%zz": "percent", "a/%": "percent",
		"a/%" + strings.Repeat("25", 8) + "41": "too often", strings.Repeat("a", 2049): "longer",
	} {
		if got, err := provider.ResourcePath(resource); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %q, %v, want %q", resource, got, err, want)
		}
	}
}

// FuzzResourcePath: whatever a notification names, the path stays below the one that it is joined to, also for a
// server that decodes it twice and cleans it.
func FuzzResourcePath(f *testing.F) {
	for _, resource := range []string{"me/messages/1=", "Users('1')/Events('2')", "a/%2e%2e/b", "//host/x",
		"a/%252e%252e", "a/..;/b", "a/%2F..%2fb", "https://host/x", "a\\..\\b", "%25252e"} {
		f.Add(resource)
	}
	f.Fuzz(func(t *testing.T, resource string) {
		got, err := provider.ResourcePath(resource)
		if err != nil {
			if got != "" {
				t.Fatalf("%q beside %v", got, err)
			}
			return
		}
		u, err := url.Parse("https://api.example.com/base" + got + "?$select=id")
		if err != nil || u.Host != "api.example.com" || u.RawQuery != "$select=id" || u.Fragment != "" {
			t.Fatalf("%q became %q, which is read as %+v, %v", resource, got, u, err)
		}
		for decoded, n := u.EscapedPath(), 0; n < 3; n++ {
			if cleaned := path.Clean(strings.ReplaceAll(decoded, `\`, "/")); !strings.HasPrefix(cleaned, "/base/") ||
				strings.Count(cleaned, "/") != strings.Count(got, "/")+1 {
				t.Fatalf("%q became %q, which leads to %q", resource, got, cleaned)
			}
			next, err := url.PathUnescape(decoded)
			if err != nil {
				break
			}
			decoded = next
		}
		for _, c := range []byte(got) {
			if c <= ' ' || c >= 0x7f {
				t.Fatalf("%q became %q", resource, got)
			}
		}
	})
}

// TestRetryAfter: the longer of the two headers counts, up to a day.
func TestRetryAfter(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC)
	for text, want := range map[string]time.Duration{
		"": 0, "5|": 5 * time.Second, "|7": 7 * time.Second, "5|7": 7 * time.Second, "9|7": 9 * time.Second,
		"Sun, 22 Nov 2026 10:01:00 GMT|": time.Minute, "Sun, 22 Nov 2026 09:01:00 GMT|": 0, "x|-3": 0,
		"999999|": 24 * time.Hour, "99999999999999|": 0, " 5 |": 5 * time.Second,
	} {
		after, reset, _ := strings.Cut(text, "|")
		h := http.Header{"Retry-After": {after}, "Ratelimit-Reset": {reset}}
		if got := provider.RetryAfter(h, now); got != want {
			t.Errorf("%q: %v, want %v", text, got, want)
		}
	}
}

func TestLowerASCII(t *testing.T) {
	for text, want := range map[string]string{"": "", "/Api/V2.0/Me": "/api/v2.0/me", "İȺ/API/": "İȺ/api/",
		"\x99/API": "\x99/api",
		"@[`{":     "@[`{"} {
		if got := provider.LowerASCII(text); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}
