package bellhop

import (
	"errors"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"
)

// TestFrameAncestors: a host or an origin is read, and nothing else. What would end a directive of a policy is
// refused.
func TestFrameAncestors(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"app.example.com": "https://app.example.com", " https://App.Example.com/ ": "https://app.example.com",
		"https://app.example.com:8443": "https://app.example.com:8443",
		"app.example.com:443":          "https://app.example.com:443",
		"http://localhost:3000":        "http://localhost:3000", "http://127.0.0.1": "http://127.0.0.1",
		"https://192.0.2.1": "https://192.0.2.1", "xn--bcher-kva.example": "https://xn--bcher-kva.example",
	} {
		if got, err := ParseFrameAncestor(text); err != nil || got != want {
			t.Errorf("%q: %q %v, want %q", text, got, err, want)
		}
	}
	for _, text := range []string{"", "*", "https://*", "*.example.com", "https://*.example.com",
		"http://app.example.com", "https:", "https://", "data:", "javascript://x", "'none'", "'self'",
		"app.example.com; script-src *", "app.example.com https://evil.example", "app.example.com,evil.example",
		"https://a@b.example", "https://a.example/path", "https://a.example?x", "https://a.example?",
		"https://a.example#x", "https://a.example#", "https://a.example:", "https://a.example:0",
		"https://a.example:70000", "https://[::1]", "https://a..example", "-a.example", "a.example.",
		"https://a.example\r\nX: y", "bücher.example",
		"ftp://a.example", strings.Repeat("a", 64) + ".example"} {
		if got, err := ParseFrameAncestor(text); err == nil {
			t.Errorf("%q: %q", text, got)
		}
	}
}

// FuzzFrameAncestor: whatever is accepted is one origin, read again as itself, without a character of a policy.
func FuzzFrameAncestor(f *testing.F) {
	for _, seed := range []string{"app.example.com", "https://a.example:1", "http://localhost", "a;b",
		"https://[::1]"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		origin, err := ParseFrameAncestor(text)
		if err != nil {
			return
		}
		u, err := url.Parse(origin)
		again, err2 := ParseFrameAncestor(origin)
		if err != nil || err2 != nil || again != origin || u.Scheme+"://"+u.Host != origin ||
			strings.ContainsAny(origin, " ;,'\"\\*@?#\t\r\n") {
			t.Fatalf("%q: %q, then %q: %v %v", text, origin, again, err, err2)
		}
	})
}

// TestPortalRights: each rights include those before them, have their scope, and others have nothing.
func TestPortalRights(t *testing.T) {
	t.Parallel()
	order := []PortalRights{PortalRead, PortalRetry, PortalManage}
	for i, has := range order {
		for j, needed := range order {
			if got := has.Includes(needed); got != (i >= j) {
				t.Errorf("%s includes %s: %t", has, needed, got)
			}
		}
		if has.Includes("") || has.Includes("root") || PortalRights("").Includes(has) {
			t.Errorf("%s and none", has)
		}
	}
	scopes := []Scope{ScopeRead, ScopeOperate, ScopeAdmin}
	if !slices.EqualFunc(order, scopes, func(r PortalRights, s Scope) bool { return r.Scope() == s }) ||
		PortalRights("root").Scope() != "" {
		t.Error("the scopes differ")
	}
}

// TestCheckPortalLink: each value that a link cannot have is named, and origins are written in one form, once.
func TestCheckPortalLink(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 11, 30, 15, 0, 0, 0, time.UTC)
	good := PortalLink{Rights: PortalRead, CreatedAt: at, ExpiresAt: at.Add(time.Hour),
		OpenUntil:      at.Add(PortalLinkValid),
		FrameAncestors: []string{"A.example", "https://a.example/", "b.example"}}
	if err := good.Check(); err != nil || !slices.Equal(good.FrameAncestors, []string{"https://a.example",
		"https://b.example"}) {
		t.Errorf("%v %q", err, good.FrameAncestors)
	}
	if !good.Opens(at) || good.Opens(at.Add(PortalLinkValid)) || good.Ended(at.Add(time.Hour-1)) ||
		!good.Ended(at.Add(time.Hour)) {
		t.Error("it opens or ends at another time")
	}
	good.OpenedAt = at
	if good.Opens(at) {
		t.Error("it opens twice")
	}
	wrong := PortalLink{Rights: "root", CreatedAt: at, ExpiresAt: at.Add(13 * time.Hour),
		FrameAncestors: append(slices.Repeat([]string{"a.example"}, MaxFrameAncestors), "*")}
	var refused *Error
	if err := wrong.Check(); !errors.As(err, &refused) {
		t.Fatal(err)
	}
	var paths []string
	for _, f := range refused.Fields {
		paths = append(paths, f.Path)
	}
	slices.Sort(paths)
	if want := []string{"expires_in", "frame_ancestors", "frame_ancestors[10]", "rights"}; !slices.Equal(paths, want) {
		t.Errorf("at fault are %q, want %q", paths, want)
	}
}
